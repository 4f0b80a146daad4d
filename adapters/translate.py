"""What several adapters share in translating a case: shapes, explicit pads, activations by name, versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import Any

from depthwise_conformance.adapters.base import Unsupported
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


def explicit_pads(config: LayerConfig, height: Size, width: Size) -> tuple[Pads, Pads]:
    """`padding` as the zeros before and after each axis, for operations that have no "same" of their own."""
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
    """The functions by Keras's names, of a namespace that calls them so too (jax.nn, tf.nn), and `others`."""
    names = ("relu", "relu6", "tanh", "sigmoid", "softplus", "softmax")
    return {**{name: getattr(namespace, name) for name in names}, **others}


def activate(config: LayerConfig, functions: Mapping[str, Callable[[Any], Any]], y: Any) -> Any:
    """Applies the framework's function for `config.activation`; Unsupported where it has none."""
    if config.activation in (None, "linear"):
        return y
    if config.activation not in functions:
        raise Unsupported(f"no function for activation {config.activation!r}")
    return functions[config.activation](y)


@contextmanager
def declining(*not_implemented: type[Exception]) -> Iterator[None]:
    """A raw operation's own "not implemented" is a limit that it declares: Unsupported."""
    try:
        yield
    except not_implemented as error:
        raise Unsupported(str(error)) from error
