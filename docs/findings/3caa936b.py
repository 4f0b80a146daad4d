"""keras-jax (keras 3.15.1, jax 0.10.2, jaxlib 0.10.2): initializers is wrong_value.
Bias_initializer == None.
DepthwiseConv2D(bias_initializer=None, data_format='channels_last', kernel_size=3) on an input of shape (1, 3,
3, 64), data integers/0: build, weights
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
import jax

print("keras", keras.__version__, "jax", jax.__version__)
wrong = False
for _ in range(5):
    layer = keras.layers.DepthwiseConv2D(bias_initializer=None, data_format='channels_last', kernel_size=3)
    layer.build((1, 3, 3, 64))
    weights = dict(zip(['kernel', 'bias'], layer.get_weights()))
    for name, (centre, spread) in {'kernel': (0.0, 0.10127398499954283), 'bias': (0.0, 0.0)}.items():
        away = np.abs(weights[name].astype("float64") - centre)
        wrong |= bool(not (away <= spread).all())
        print(name, "expected", {'kernel': '0, give or take 0.101274', 'bias': '0, give or take 0'}[name], "got", weights[name].ravel()[away.argmax()])
raise SystemExit(int(wrong))
