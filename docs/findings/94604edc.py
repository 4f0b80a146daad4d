"""keras-tensorflow (keras 3.15.1, tensorflow 2.21.0): output is refused.
Dtype != "bfloat16" and dtype != "float32" and stride_height != stride_width.
DepthwiseConv2D(kernel_size=(1, 1), strides=(2, 1), data_format='channels_first', dtype='float64') on an input
of shape (1, 1, 1, 1), data integers/0
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__)
x = np.array([-2], "float64").reshape(1, 1, 1, 1)
kernel = np.array([-3], "float64").reshape(1, 1, 1, 1)
bias = np.array([1], "float64").reshape(1,)
try:
    layer = keras.layers.DepthwiseConv2D(data_format='channels_first', dtype='float64', kernel_size=(1, 1), strides=(2, 1))
    layer.build(x.shape)
    layer.set_weights([kernel, bias])
    x = keras.ops.convert_to_tensor(x, "float64")
    y = layer(x)
except Exception as error:
    print("refused:", type(error).__name__, str(error)[:300])
    raise SystemExit(1)
print("it is computed")
raise SystemExit(0)
