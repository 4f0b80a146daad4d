"""keras-jax (keras 3.15.1, jax 0.10.2, jaxlib 0.10.2): errors is error_missing.
Strides > 1 with dilation_rate > 1.
DepthwiseConv2D(activation=None, data_format='channels_last', depth_multiplier=1, dilation_rate=2,
kernel_size=1, padding='valid', strides=2, use_bias=True) on an input of shape (1, 16, 16, 16), where strides
> 1 with dilation_rate > 1
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
import jax

print("keras", keras.__version__, "jax", jax.__version__)
try:
    layer = keras.layers.DepthwiseConv2D(activation=None, data_format='channels_last', depth_multiplier=1, dilation_rate=2, kernel_size=1, padding='valid', strides=2, use_bias=True)
    layer.build((1, 16, 16, 16))
    layer(np.ones((1, 16, 16, 16), "float32"))
except Exception as error:
    print("refused:", type(error).__name__, str(error)[:300])
    raise SystemExit(0)
print('no error, though strides > 1 with dilation_rate > 1')
raise SystemExit(1)
