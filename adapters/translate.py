"""What adapters share in translating a case: shapes, explicit pads, activations by name, versions, devices.

Yours may use them: `from depthwise_conformance.adapters.translate import explicit_pads`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import numpy as np

from depthwise_conformance.adapters.base import AnyArray, Unsupported
from depthwise_conformance.reference.config import LayerConfig

Pads = tuple[int, int]
Size = int | None


def versions(*distributions: str) -> dict[str, str]:
    """The versions of those distributions that are installed (a framework may come under one of several names)."""
    found = {}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def device_index(device: str) -> int:
    """The number in `cuda:1`; 0 where there is none."""
    return int(device.partition(":")[2] or 0)


def spatial_sizes(config: LayerConfig, input_shape: tuple[Size, ...]) -> tuple[Size, Size]:
    """Height and width of an input."""
    first = 1 if config.channels_last else 2
    return input_shape[first], input_shape[first + 1]


def weight_shapes(config: LayerConfig, input_shape: tuple[Size, ...]) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """The shapes of the kernel and the bias for an input; Unsupported where its channels are unknown."""
    channels = input_shape[-1 if config.channels_last else 1]
    if channels is None:
        raise Unsupported("a kernel needs a known number of channels")
    bias = (channels * config.depth_multiplier,) if config.use_bias else None
    return (*config.kernel_size, channels, config.depth_multiplier), bias


def grouped_kernel(kernel: AnyArray) -> AnyArray:
    """The kernel as grouped convolutions have it: `(channels * depth_multiplier, 1, kernel_height, kernel_width)`.

    `kernel` is `(kernel_height, kernel_width, channels, depth_multiplier)`; what is returned is contiguous. Group `c`
    has the outputs `c * depth_multiplier + m`, in the order of `m`.
    """
    height, width, channels, multiplier = kernel.shape
    return np.ascontiguousarray(kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width))


def explicit_pads(config: LayerConfig, height: Size, width: Size) -> tuple[Pads, Pads]:
    """`padding` as zeros: `(above, below), (left, right)`, for operations that have no "same" of their own.

    With "same", an axis of `size` numbers gets `max((kernel - 1) * dilation + 1 - (size % stride or stride), 0)` zeros,
    half of them before it; of an odd number, the one more comes after. With "valid" there are none. `height` and
    `width` are those of the input; Unsupported for one that is None, not known, where the stride is more than 1.
    """
    if config.padding == "valid":
        return (0, 0), (0, 0)
    axes = zip((height, width), config.kernel_size, config.strides, config.dilation_rate, strict=True)
    rows, columns = (_same_pads(*axis) for axis in axes)
    return rows, columns


def _same_pads(size: Size, kernel: int, stride: int, dilation: int) -> Pads:
    # The last window starts at the last multiple of the stride, whose remainder of the input it must outreach.
    if size is None and stride > 1:
        raise Unsupported("explicit pads for 'same' with strides need a known input size")
    remainder = 1 if size is None else (size % stride or stride)
    total = max((kernel - 1) * dilation + 1 - remainder, 0)
    return total // 2, total - total // 2


def activations(namespace: Any, **others: Callable[[Any], Any]) -> dict[str, Callable[[Any], Any]]:
    """Functions of a framework's tensors by Keras's names, for `activate`.

    `relu`, `relu6`, `tanh`, `sigmoid`, `softplus` and `softmax` of a namespace that calls them so too (`jax.nn`,
    `tf.nn`), and `others`, each by its name.
    """
    names = ("relu", "relu6", "tanh", "sigmoid", "softplus", "softmax")
    return {**{name: getattr(namespace, name) for name in names}, **others}


def activate(config: LayerConfig, functions: Mapping[str, Callable[[Any], Any]], y: Any) -> Any:
    """`config.activation` applied to `y`, a framework's tensor: None and "linear" leave it as it is.

    `functions` are those of the framework, by Keras's names. Raises Unsupported for one that is not among them.
    """
    if config.activation in (None, "linear"):
        return y
    if config.activation not in functions:
        raise Unsupported(f"no function for activation {config.activation!r}")
    return functions[config.activation](y)


def claim_of(config: LayerConfig, input_shape: tuple[Size, ...], pads: tuple[Pads, Pads] | None = None) -> str:
    """The claim, in the claims language, of exactly this layer on inputs of this shape, of which None is any size.

    `pads` are the zeros, as `explicit_pads` has them, where the layer has them by number: inputs for which "same" means
    others are not claimed. For adapters of a file that holds one layer.
    """
    arguments: dict[str, Any] = {
        name: getattr(config, name)
        for name in ("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier", "data_format", "dtype")
    }
    arguments |= {"activation": config.activation or "linear", "use_bias": config.use_bias}
    height, width = spatial_sizes(config, input_shape)
    channels = input_shape[-1 if config.channels_last else 1]
    arguments |= {"batch": input_shape[0], "input_height": height, "input_width": width, "channels": channels}
    if pads is not None:
        arguments |= dict(zip(("zeros_above", "zeros_below", "zeros_left", "zeros_right"), sum(pads, ()), strict=True))
    return " and ".join(f"{name} == {value!r}" for name, value in arguments.items() if value is not None)


@contextmanager
def declining(*not_implemented: type[Exception]) -> Iterator[None]:
    """A raw operation's own "not implemented" is a limit that it declares: Unsupported."""
    try:
        yield
    except not_implemented as error:
        raise Unsupported(str(error)) from error
