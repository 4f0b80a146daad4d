"""keras-tensorflow (keras 3.15.1, tensorflow 2.21.0): output is refused.
Only if batch == 0.
DepthwiseConv2D(kernel_size=(1, 1), depth_multiplier=2) on an input of shape (0, 1, 1, 2), data integers/0
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__)
x = np.array([], "float64").reshape(0, 1, 1, 2)
kernel = np.array([-2, -3, 1, 4], "float64").reshape(1, 1, 2, 2)
bias = np.array([-1, 3, -4, 3], "float64").reshape(4,)
try:
    layer = keras.layers.DepthwiseConv2D(data_format='channels_last', dtype='float32', kernel_size=(1, 1), depth_multiplier=2)
    layer.build(x.shape)
    layer.set_weights([kernel, bias])
    x = keras.ops.convert_to_tensor(x, "float32")
    y = layer(x)
except Exception as error:
    print("refused:", type(error).__name__, str(error)[:300])
    raise SystemExit(1)
print("it is computed")
raise SystemExit(0)
