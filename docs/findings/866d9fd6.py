"""keras-tensorflow (keras 3.15.1, tensorflow 2.21.0): gradient_input is wrong_value.
Activation == "sparsemax" and not half_precision.
DepthwiseConv2D(kernel_size=(1, 1), activation='sparsemax', use_bias=False) on an input of shape (1, 1, 1, 2),
data uniform/22
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

print("keras", keras.__version__, "tensorflow", tf.__version__)
x = np.array([-0.2673061788082123, -0.6014092564582825], "float64").reshape(1, 1, 1, 2)
kernel = np.array([-0.8228832483291626, 0.3063833713531494], "float64").reshape(1, 1, 2, 1)
cotangent = np.array([0.703136146068573, 0.6739226579666138], "float64").reshape(1, 1, 1, 2)
layer = keras.layers.DepthwiseConv2D(data_format='channels_last', dtype='float32', kernel_size=(1, 1), activation='sparsemax', use_bias=False)
layer.build(x.shape)
layer.set_weights([kernel])
x = keras.ops.convert_to_tensor(x, "float32")
cotangent = keras.ops.convert_to_tensor(cotangent, "float32")
with tf.GradientTape() as tape:
    tape.watch(x)
    y = layer(x)
found = tape.gradient(y, [x, *(w.value for w in layer.trainable_variables)], cotangent)
found = dict(zip(["input", "kernel"], found))
places = [(0, 0, 0, 0)]
allowed = [6.918935205926868e-07]  # what float32 allows beside the expected, at most
got = keras.ops.convert_to_numpy(keras.ops.cast(found["input"], "float32"))
expected = [-0.012019644992182776]
got = [float(got[place]) for place in places]
print("expected", expected)
print("got     ", got)
raise SystemExit(int(not all(abs(g - e) <= a or g == e for g, e, a in zip(got, expected, allowed))))
