"""The literal implementation: nothing but loops and the sentences of the documentation."""

import itertools
from fractions import Fraction

import numpy as np


def windows(size, kernel, stride, dilation, padding):
    """For each window of one axis, the input positions that its taps see; None where a tap sees padding."""
    reach = (kernel - 1) * dilation + 1
    if padding == "valid":  # "no padding": every window lies inside
        firsts = [first for first in range(0, size, stride) if first + reach <= size]
    else:  # one window for each stride; "padding evenly", the odd zero comes after
        count = len(range(0, size, stride))
        zeros = 0
        while zeros + size < (count - 1) * stride + reach:
            zeros += 1
        firsts = [window * stride - zeros // 2 for window in range(count)]
    seen = [[first + tap * dilation for tap in range(kernel)] for first in firsts]
    return [[position if 0 <= position < size else None for position in taps] for taps in seen]


def literal_terms(config, shape):
    """Every product of the layer: the indices of its output, its input and its weight."""
    batch, height, width, channels = shape if config.channels_last else (shape[0], *shape[2:], shape[1])
    rows, columns = (
        windows(size, config.kernel_size[i], config.strides[i], config.dilation_rate[i], config.padding)
        for i, size in enumerate((height, width))
    )
    for b, (i, row), (j, column) in itertools.product(range(batch), enumerate(rows), enumerate(columns)):
        for (p, y), (q, x) in itertools.product(enumerate(row), enumerate(column)):
            if y is None or x is None:
                continue
            for c, m in itertools.product(range(channels), range(config.depth_multiplier)):
                o = c * config.depth_multiplier + m
                if config.channels_last:
                    yield (b, i, j, o), (b, y, x, c), (p, q, c, m)
                else:
                    yield (b, o, i, j), (b, c, y, x), (p, q, c, m)


def literal_shape(config, shape):
    sizes = shape[1:3] if config.channels_last else shape[2:4]
    channels = shape[3 if config.channels_last else 1] * config.depth_multiplier
    new = [
        len(windows(size, config.kernel_size[i], config.strides[i], config.dilation_rate[i], config.padding))
        for i, size in enumerate(sizes)
    ]
    return (shape[0], *new, channels) if config.channels_last else (shape[0], channels, *new)


def literal_sums(config, x, kernel, bias):
    """`depthwise_conv2d(x, kernel) + bias`."""
    y = np.zeros(literal_shape(config, x.shape), x.dtype)
    if x.dtype == object:
        y[...] = Fraction(0)
    for out, at, weight in literal_terms(config, x.shape):
        y[out] += x[at] * kernel[weight]
    for out in np.ndindex(y.shape):
        y[out] += 0 if bias is None else bias[out[3 if config.channels_last else 1]]
    return y


def literal_gradients(config, x, kernel, bias, d):
    """The gradients of `sum(d * (depthwise_conv2d(x, kernel) + bias))`: each product's share, put where it belongs."""
    by_input, by_kernel = np.zeros_like(x), np.zeros_like(kernel)
    by_bias = None if bias is None else np.zeros_like(bias)
    for out, at, weight in literal_terms(config, x.shape):
        by_input[at] += d[out] * kernel[weight]
        by_kernel[weight] += d[out] * x[at]
    for out in np.ndindex(d.shape) if bias is not None else ():
        by_bias[out[3 if config.channels_last else 1]] += d[out]
    return by_input, by_kernel, by_bias
