"""tensorflow (tensorflow 2.21.0): output is refused.
Only if batch == 0.
DepthwiseConv2D(kernel_size=(1, 1), depth_multiplier=2) on an input of shape (0, 1, 1, 1), data integers/0
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import numpy as np
import tensorflow as tf

print("tensorflow", tf.__version__)
x = np.array([], "float64").reshape(0, 1, 1, 1)
kernel = np.array([-2, -3], "float64").reshape(1, 1, 1, 2)
bias = np.array([1, 4], "float64").reshape(2,)
try:
    x = tf.constant(x, "float32")
    kernel = tf.constant(kernel, "float32")
    bias = tf.constant(bias, "float32")
    y = tf.nn.depthwise_conv2d(x, kernel, (1, 1, 1, 1), "VALID", "NHWC", (1, 1))
    y = tf.nn.bias_add(y, bias, "NHWC")
except Exception as error:
    print("refused:", type(error).__name__, str(error)[:300])
    raise SystemExit(1)
print("it is computed")
raise SystemExit(0)
