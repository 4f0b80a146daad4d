"""tensorflow (tensorflow 2.21.0): gradient_kernel is wrong_value.
DepthwiseConv2D(kernel_size=(1, 1), use_bias=False, dtype='float64') on an input of shape (0, 1, 1, 1), data
integers/0
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import numpy as np
import tensorflow as tf

print("tensorflow", tf.__version__)
x = np.array([], "float64").reshape(0, 1, 1, 1)
kernel = np.array([-2], "float64").reshape(1, 1, 1, 1)
cotangent = np.array([], "float64").reshape(0, 1, 1, 1)
x = tf.constant(x, "float64")
kernel = tf.constant(kernel, "float64")
with tf.GradientTape() as tape:
    tape.watch([x, kernel])
    y = tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), "VALID", "NHWC", (1, 1))
found = tape.gradient(y, [x, kernel], tf.constant(cotangent, "float64"))
found = dict(zip(["input", "kernel"], found))
places = [(0, 0, 0, 0)]
allowed = [0]  # what float64 allows beside the expected, at most
got = tf.cast(found["kernel"], "float64").numpy()
expected = [0]
got = [float(got[place]) for place in places]
print("expected", expected)
print("got     ", got)
raise SystemExit(int(not all(abs(g - e) <= a or g == e for g, e, a in zip(got, expected, allowed))))
