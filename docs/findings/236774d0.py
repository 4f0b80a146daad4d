"""keras-tensorflow (keras 3.15.1, tensorflow 2.21.0): special_values is wrong_special.
Activation == "leaky_relu" and dtype == "float64".
DepthwiseConv2D(kernel_size=(1, 1), activation='leaky_relu', use_bias=False, dtype='float64') on an input of
shape (1, 1, 1, 1), data special/0
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__)
x = np.array([0.2739233746429086], "float64").reshape(1, 1, 1, 1)
kernel = np.array([-0.4604265724722594], "float64").reshape(1, 1, 1, 1)
layer = keras.layers.DepthwiseConv2D(data_format='channels_last', dtype='float64', kernel_size=(1, 1), activation='leaky_relu', use_bias=False)
layer.build(x.shape)
layer.set_weights([kernel])
x = keras.ops.convert_to_tensor(x, "float64")
y = layer(x)
places = [(0, 0, 0, 0)]
allowed = [5.880970400982678e-17]  # what float64 allows beside the expected, at most
got = keras.ops.convert_to_numpy(keras.ops.cast(y, "float64"))
expected = [-0.025224320101373807]
got = [float(got[place]) for place in places]
print("expected", expected)
print("got     ", got)
raise SystemExit(int(not all(abs(g - e) <= a or g == e or g != g and e != e for g, e, a in zip(got, expected, allowed))))
