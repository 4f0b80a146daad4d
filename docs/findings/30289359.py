"""keras-torch (keras 3.15.1, torch 2.13.0+cpu): initializers is wrong_value.
Depth_multiplier == 16 and depthwise_initializer == {'class_name': 'TruncatedNormal', 'config': {'seed': 7}}.
DepthwiseConv2D(data_format='channels_last', depth_multiplier=16, depthwise_initializer={'class_name':
'TruncatedNormal', 'config': {'seed': 7}}, kernel_size=8) on an input of shape (1, 8, 8, 1024), data
integers/0: build, weights
Expected is what the documentation says, computed exactly. Exits 1 where it shows the fault.
"""
import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch

print("keras", keras.__version__, "torch", torch.__version__)
wrong = False
for _ in range(5):
    layer = keras.layers.DepthwiseConv2D(data_format='channels_last', depth_multiplier=16, depthwise_initializer={'class_name': 'TruncatedNormal', 'config': {'seed': 7}}, kernel_size=8)
    layer.build((1, 8, 8, 1024))
    weights = dict(zip(['kernel', 'bias'], layer.get_weights()))
    for name, (centre, spread) in {'kernel': (0.0, 0.10000004768371583), 'bias': (0.0, 0.0)}.items():
        away = np.abs(weights[name].astype("float64") - centre)
        wrong |= bool(not (away <= spread).all())
        print(name, "expected", {'kernel': '0, give or take 0.1', 'bias': '0, give or take 0'}[name], "got", weights[name].ravel()[away.argmax()])
raise SystemExit(int(wrong))
