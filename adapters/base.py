"""What a framework has to offer to be judged: one class, two obligatory members."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from depthwise_conformance.reference import LayerConfig

AnyArray = NDArray[Any]


class Unsupported(Exception):
    """The target does not claim this case; the message is the reason that the report shows."""


@dataclass(frozen=True)
class Description:
    """What a target is: versions by distribution name, devices that it found (`cpu`, `cuda:0`), and its limits.

    `unsupported` maps what the adapter never claims ("float64 on CPU") to the reason. `arithmetic` maps a dtype to what
    the target declares to compute it in ("TF32 products"): it is judged by that, and the report says so. The names are
    those of `reference.arithmetics`.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = ("float16", "bfloat16", "float32", "float64")
    unsupported: Mapping[str, str] = field(default_factory=dict)
    arithmetic: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gradients:
    """The gradients of `sum(cotangent * forward(x, kernel, bias))`, each of its argument's shape and dtype."""

    input: AnyArray
    kernel: AnyArray
    bias: AnyArray | None


class LayerHandle(ABC):
    """A whole layer, constructed by the framework from the seed's arguments."""

    @abstractmethod
    def __call__(self, x: AnyArray) -> AnyArray:
        """Builds the layer if need be and applies it."""


class Adapter(ABC):
    """Translates a case into one framework's calls; never computes.

    An instance lives in a worker process, for one `device` and one `mode` ("" is how users get the framework by
    default). Frameworks are imported in `__init__` or later, never at the top of a module.

    `x` is laid out as `config.data_format` says; `kernel` is `(kernel_height, kernel_width, channels,
    depth_multiplier)`; `bias` is `(channels * depth_multiplier,)` or None, as `config.use_bias` says; output channel
    `c * depth_multiplier + m` belongs to input channel `c`. Arrays come in and go out in `config.dtype` (bfloat16 by
    `ml_dtypes`), on the host. Raise `Unsupported(reason)` for what the target does not claim; any other exception on a
    valid case is judged as a refusal.
    """

    name: ClassVar[str]
    modes: ClassVar[tuple[str, ...]] = ()

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        self.device = device
        self.mode = mode

    def describe(self) -> Description:
        """Versions, devices, dtypes and limits."""
        return Description()

    @abstractmethod
    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """`activation(depthwise_conv2d(x, kernel) + bias)`."""

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """The gradients of `sum(cotangent * forward(config, x, kernel, bias))` by the framework's autodiff."""
        raise Unsupported(f"{self.name} has no gradients")

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape that the framework infers without computing; None for a dimension that it does not know."""
        raise Unsupported(f"{self.name} has no symbolic shapes")

    def layer(self, arguments: Mapping[str, Any]) -> LayerHandle:
        """The framework's own layer from the seed's constructor arguments as given, valid or not."""
        raise Unsupported(f"{self.name} is a raw operation, with a contract of its own for arguments")
