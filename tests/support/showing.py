"""Arguments and input shapes that show what few drawn cases do, or none."""

from typing import Any

Shown = tuple[dict[str, Any], tuple[int, int, int, int]]
# By the names of faults that few drawn cases show.
RARE: dict[str, Shown] = {
    "SamePaddingRowsOfOneRowKernel": ({"kernel_size": [1, 3], "padding": "same"}, (2, 3, 5, 3)),
    "OneRowKernelReversed": ({"kernel_size": [1, 3], "strides": [2, 1]}, (2, 5, 5, 3)),
    "LastElementMissing": ({"kernel_size": 2}, (3, 4, 4, 3)),
    "SoftmaxOverChannels": ({"kernel_size": 2, "activation": "softmax", "data_format": "channels_first"}, (2, 3, 5, 6)),
    "SamePaddingHalfKernelTimesDilation": (
        {"kernel_size": 2, "dilation_rate": [2, 1], "padding": "same"},
        (2, 6, 7, 3),
    ),
    "SparsemaxOverChannels": (
        {"kernel_size": 2, "activation": "sparsemax", "data_format": "channels_first"},
        (2, 3, 5, 6),
    ),
    "OneRowKernelIgnoresRowStride": ({"kernel_size": [1, 2], "strides": 2}, (2, 7, 6, 3)),
    "OneColumnKernelReversed": ({"kernel_size": [3, 1], "data_format": "channels_first"}, (2, 3, 6, 5)),
    "OneByOneKernelUsesFirstWeight": ({"kernel_size": 1, "depth_multiplier": 2}, (2, 3, 4, 3)),
    "ThirtyThreeChannels": ({"kernel_size": 2}, (2, 3, 4, 33)),
    "SinglePixelIsZero": ({"kernel_size": 1, "depth_multiplier": 2}, (4, 1, 1, 5)),
    "SinglePixelFlattened": ({"kernel_size": 3}, (3, 3, 3, 4)),
    "SinglePixelOutputDoubled": ({"kernel_size": 3, "depth_multiplier": 2}, (2, 3, 3, 4)),
    "LinearIsRelu": ({"kernel_size": 2, "activation": "linear"}, (2, 4, 5, 3)),
    "Relu6IsRelu": ({"kernel_size": 3, "activation": "relu6"}, (2, 5, 5, 3)),
    "Relu6GradientAboveSix": ({"kernel_size": 3, "activation": "relu6"}, (2, 5, 5, 3)),
    "TanhTwice": ({"kernel_size": 1, "activation": "tanh"}, (2, 4, 5, 3)),
    "SoftplusThreshold": ({"kernel_size": 4, "activation": "softplus", "dtype": "float64"}, (2, 9, 8, 3)),
    "BiasGradientAlongWidth": ({"kernel_size": 1}, (2, 3, 8, 8)),
    "BiasAlongBatch": ({"kernel_size": 2}, (4, 3, 5, 4)),
    "BiasAlongWidth": ({"kernel_size": 1, "data_format": "channels_first"}, (2, 4, 6, 4)),
}
# For deviations that no drawn case shows.
SHOWING: tuple[Shown, ...] = (
    ({"kernel_size": 3, "activation": "gelu", "dtype": "float64"}, (2, 5, 5, 3)),
    ({"kernel_size": 4, "activation": "softplus", "dtype": "float64"}, (2, 9, 8, 3)),
    ({"kernel_size": 2, "activation": "tanh"}, (2, 5, 5, 3)),
    ({"kernel_size": 2, "activation": "sigmoid"}, (2, 5, 5, 3)),
    ({"kernel_size": 2, "activation": "softmax", "data_format": "channels_first"}, (2, 3, 5, 6)),
    ({"kernel_size": 2, "activation": "softmax"}, (2, 5, 5, 3)),
    ({"kernel_size": 2, "activation": "log_softmax", "data_format": "channels_first"}, (2, 3, 5, 6)),
    ({"kernel_size": 2, "activation": "sparsemax"}, (2, 5, 5, 3)),
    ({"kernel_size": 2, "activation": "relu"}, (4, 17, 19, 37)),
    ({"kernel_size": 2, "activation": "relu6"}, (2, 6, 7, 3)),
    ({"kernel_size": 2}, (4, 3, 5, 4)),
    ({"kernel_size": 2}, (2, 5, 4, 4)),
    ({"kernel_size": 2}, (2, 4, 5, 4)),
    ({"kernel_size": [3, 2], "strides": [2, 3], "padding": "same"}, (2, 8, 10, 3)),
    ({"kernel_size": [2, 3], "strides": [3, 2], "padding": "same"}, (2, 10, 9, 3)),
    ({"kernel_size": [5, 4], "strides": [2, 3], "padding": "same"}, (2, 9, 11, 3)),
    ({"kernel_size": [4, 5], "strides": [3, 2]}, (2, 15, 14, 3)),
    ({"kernel_size": [3, 2], "dilation_rate": [2, 3], "padding": "same"}, (2, 9, 10, 3)),
    ({"kernel_size": [2, 3], "dilation_rate": [3, 2]}, (2, 9, 10, 3)),
    ({"kernel_size": 2, "dilation_rate": [3, 2], "padding": "same"}, (2, 9, 10, 3)),
    ({"kernel_size": 1, "strides": 4, "padding": "same"}, (2, 15, 15, 3)),
    ({"kernel_size": 7, "padding": "same"}, (2, 2, 3, 3)),
    ({"kernel_size": 3}, (1, 3, 3, 1)),
    ({"kernel_size": 3, "depth_multiplier": 2}, (3, 6, 6, 3)),
)
