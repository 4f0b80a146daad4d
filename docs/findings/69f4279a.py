"""tensorflow (tensorflow 2.21.0): gradient_kernel is wrong_value.
DepthwiseConv2D(kernel_size=(1, 2), strides=(1, 3), padding='same', use_bias=False, dtype='bfloat16') on an
input of shape (1, 1, 1, 2), data integers/30
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import numpy as np
import tensorflow as tf

print("tensorflow", tf.__version__)
x = np.full((1, 1, 1, 2), 1)
kernel = np.array([2, 4, 2, -2], "float64").reshape(1, 2, 2, 1)
cotangent = np.array([2, -4], "float64").reshape(1, 1, 1, 2)
x = tf.constant(x, "bfloat16")
kernel = tf.constant(kernel, "bfloat16")
with tf.GradientTape() as tape:
    tape.watch([x, kernel])
    y = tf.nn.depthwise_conv2d(x, kernel, (1, 1, 3, 1), "SAME", "NHWC", (1, 1))
found = tape.gradient(y, [x, kernel], tf.constant(cotangent, "bfloat16"))
found = dict(zip(["input", "kernel"], found))
places = [(0, 1, 0, 0)]
allowed = [0]  # what bfloat16 allows beside the expected, at most
got = tf.cast(found["kernel"], "float32").numpy()
expected = [0]
got = [float(got[place]) for place in places]
print("expected", expected)
print("got     ", got)
raise SystemExit(int(not all(abs(g - e) <= a or g == e for g, e, a in zip(got, expected, allowed))))
