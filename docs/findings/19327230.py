"""tensorflow (tensorflow 2.21.0): gradient_bias is imprecise.
DepthwiseConv2D(kernel_size=(1, 1), strides=(2, 2), dtype='bfloat16') on an input of shape (1, 1, 5, 2), data
uniform/0
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import numpy as np
import tensorflow as tf

print("tensorflow", tf.__version__)
x = np.array([0.2734375, -0.4609375, -0.91796875, -0.96875, 0.625, 0.82421875, 0.212890625, 0.458984375, 0.08740234375, 0.87109375], "float64").reshape(1, 1, 5, 2)
kernel = np.array([0.6328125, -0.99609375], "float64").reshape(1, 1, 2, 1)
bias = np.array([0.71484375, -0.93359375], "float64").reshape(2,)
cotangent = np.array([0.458984375, -0.6484375, 0.7265625, 0.0830078125, -0.400390625, -0.154296875], "float64").reshape(1, 1, 3, 2)
x = tf.constant(x, "bfloat16")
kernel = tf.constant(kernel, "bfloat16")
bias = tf.constant(bias, "bfloat16")
with tf.GradientTape() as tape:
    tape.watch([x, kernel, bias])
    y = tf.nn.depthwise_conv2d(x, kernel, (1, 2, 2, 1), "VALID", "NHWC", (1, 1))
    y = tf.nn.bias_add(y, bias, "NHWC")
found = tape.gradient(y, [x, kernel, bias], tf.constant(cotangent, "bfloat16"))
found = dict(zip(["input", "kernel", "bias"], found))
places = [(0,)]
allowed = [0.003067301297102455]  # what bfloat16 allows beside the expected, at most
got = tf.cast(found["bias"], "float32").numpy()
expected = [0.78515625]
got = [float(got[place]) for place in places]
print("expected", expected)
print("got     ", got)
raise SystemExit(int(not all(abs(g - e) <= a or g == e for g, e, a in zip(got, expected, allowed))))
