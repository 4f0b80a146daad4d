"""keras-tensorflow (keras 3.15.1, tensorflow 2.21.0): shape_inference is wrong_shape.
Activation == "glu".
DepthwiseConv2D(kernel_size=(1, 1), activation='glu', use_bias=False) on an input of shape (1, 1, 1, 2), data
integers/11
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__)
x = np.array([1, -3], "float64").reshape(1, 1, 1, 2)
kernel = np.array([3, -1], "float64").reshape(1, 1, 2, 1)
layer = keras.layers.DepthwiseConv2D(data_format='channels_last', dtype='float32', kernel_size=(1, 1), activation='glu', use_bias=False)
layer.build(x.shape)
layer.set_weights([kernel])
x = keras.ops.convert_to_tensor(x, "float32")
y = layer(x)
expected = (1, 1, 1, 1)
wrong = False
for given in [(1, 1, 1, 2), (None, 1, 1, 2), (1, None, 1, 2), (1, 1, None, 2), (None, None, 1, 2), (None, 1, None, 2), (1, None, None, 2), (None, None, None, 2)]:
    got = tuple(layer(keras.Input(batch_shape=given, dtype=layer.dtype)).shape)
    wrong |= len(got) != 4 or any(g not in (None, e) for g, e in zip(got, expected))
    print("given", given, "expected", expected, "or None where unknown, got", got)
raise SystemExit(int(wrong))
