"""keras-tensorflow (keras 3.15.1, tensorflow 2.21.0): initializers is refused.
Depthwise_initializer == "constant".
DepthwiseConv2D(data_format='channels_last', depthwise_initializer='constant', kernel_size=3) on an input of
shape (1, 3, 3, 512), data integers/0: build, weights
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__)
try:
    layer = keras.layers.DepthwiseConv2D(data_format='channels_last', depthwise_initializer='constant', kernel_size=3)
    layer.build((1, 3, 3, 512))
    layer(np.ones((1, 3, 3, 512), layer.compute_dtype))
except Exception as error:
    print("refused:", type(error).__name__, str(error)[:300])
    raise SystemExit(1)
print("it is computed")
raise SystemExit(0)
