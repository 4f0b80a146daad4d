"""keras-tensorflow (keras 3.15.1, tensorflow 2.21.0): errors is error_missing.
Strides is not an integer.
DepthwiseConv2D(data_format='channels_last', kernel_size=2, strides=(1, 1.5)) on an input of shape (1, 8, 8,
2), where strides is not an integer
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__)
try:
    layer = keras.layers.DepthwiseConv2D(data_format='channels_last', kernel_size=2, strides=[1, 1.5])
    layer.build((1, 8, 8, 2))
    layer(np.ones((1, 8, 8, 2), "float32"))
except Exception as error:
    print("refused:", type(error).__name__, str(error)[:300])
    raise SystemExit(0)
print('no error, though strides is not an integer')
raise SystemExit(1)
