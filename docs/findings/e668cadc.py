"""keras-tensorflow (keras 3.15.1, tensorflow 2.21.0): regularizers is refused.
Depthwise_regularizer or bias_regularizer or activity_regularizer == "l1_l2".
DepthwiseConv2D(bias_regularizer='l1_l2', data_format='channels_last', kernel_size=2) on an input of shape (1,
4, 5, 3), data integers/0: build, assign, call, loss, gradients
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__)
try:
    layer = keras.layers.DepthwiseConv2D(bias_regularizer='l1_l2', data_format='channels_last', kernel_size=2)
    layer.build((1, 4, 5, 3))
    layer(np.ones((1, 4, 5, 3), layer.compute_dtype))
except Exception as error:
    print("refused:", type(error).__name__, str(error)[:300])
    raise SystemExit(1)
print("it is computed")
raise SystemExit(0)
