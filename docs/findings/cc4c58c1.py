"""keras-tensorflow (keras 3.15.1, tensorflow 2.21.0): output is wrong_value.
Bias along the width.
DepthwiseConv2D(kernel_size=(1, 2), data_format='channels_first') on an input of shape (1, 2, 1, 3), data
integers/1
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__)
x = np.array([0, -4, 0, 3, -2, -3], "float64").reshape(1, 2, 1, 3)
kernel = np.array([-4, 0, 2, 1], "float64").reshape(1, 2, 2, 1)
bias = np.array([-3, -4], "float64").reshape(2,)
layer = keras.layers.DepthwiseConv2D(data_format='channels_first', dtype='float32', kernel_size=(1, 2))
layer.build(x.shape)
layer.set_weights([kernel, bias])
x = keras.ops.convert_to_tensor(x, "float32")
y = layer(x)
places = [(0, 0, 0, 1), (0, 1, 0, 0)]
allowed = [0, 0]  # what float32 allows beside the expected, at most
got = keras.ops.convert_to_numpy(keras.ops.cast(y, "float32"))
expected = [13, -6]
got = [float(got[place]) for place in places]
print("expected", expected)
print("got     ", got)
raise SystemExit(int(not all(abs(g - e) <= a or g == e for g, e, a in zip(got, expected, allowed))))
