"""What a framework has to offer to be judged: one class, two obligatory members."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from depthwise_conformance.reference.config import LayerConfig

AnyArray = NDArray[Any]
Shape = tuple[int | None, ...]
LAYOUTS: Mapping[str, str] = {  # of arrays in memory, besides the contiguous one: names, and what is meant
    "transposed": "a view of memory in another order of axes: images in that of the other data format, the kernel in "
    "that of (channels, depth_multiplier, kernel_height, kernel_width)",
    "sliced": "a part of larger arrays, which hold NaN around it",
    "every_second": "every second element along each axis of larger arrays, which hold NaN between",
    "reversed": "a view that turns every axis round: its strides are negative",
    "new_axes": "axes of size 1 have a stride of 0, as numpy.newaxis gives it",
}


class Unsupported(Exception):
    """The target does not claim this case; the message is the reason that the report shows."""


@dataclass(frozen=True)
class Description:
    """What a target is: versions by distribution name, devices that it found (`cpu`, `cuda:0`), and its limits.

    `unsupported` maps what the adapter never claims ("float64 on CPU") to the reason. `arithmetic` maps a dtype to what
    the target declares to compute it in ("TF32 products"): it is judged by that, and the report says so. The names are
    those of `reference.arithmetics`. `claims` says in the claims language what the target is to be asked ("" is
    everything): `kernel_size == 3 and strides in (1, 2) and dtype == "float32"`; see docs/claims.md.
    """

    versions: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = ("float16", "bfloat16", "float32", "float64")
    unsupported: Mapping[str, str] = field(default_factory=dict)
    arithmetic: Mapping[str, str] = field(default_factory=dict)
    claims: str = ""


@dataclass(frozen=True)
class Gradients:
    """The gradients of `sum(cotangent * forward(x, kernel, bias))`, each of its argument's shape and dtype."""

    input: AnyArray
    kernel: AnyArray
    bias: AnyArray | None


class LayerHandle(ABC):
    """A whole layer, constructed by the framework from the seed's arguments, and used as its users do.

    Weights go by the names `kernel` and `bias`. Only the call must be written; the rest has defaults that say
    "unsupported". What the framework raises is an observation: let it through.
    """

    def build(self, input_shape: Shape) -> None:
        """Makes the weights for inputs of this shape; by default, the first call does."""
        raise Unsupported("the layer is not built apart from its first call")

    @abstractmethod
    def __call__(self, x: AnyArray) -> AnyArray:
        """Builds the layer if need be and applies it."""

    def weights(self) -> Mapping[str, AnyArray]:
        """The weights by name, in the layer's order."""
        raise Unsupported("the layer's weights cannot be read")

    def assign(self, weights: Mapping[str, AnyArray]) -> None:
        """Sets the weights, as they are given: no constraint applies."""
        raise Unsupported("the layer's weights cannot be set")

    def attributes(self) -> Mapping[str, Any]:
        """`name`, `trainable`, `compute_dtype` and `variable_dtype`, as far as the layer has them."""
        raise Unsupported("the layer has no attributes")

    def loss(self) -> AnyArray:
        """The sum of what the regularizers added to the loss in the last call, of no dimensions."""
        raise Unsupported("the layer has no losses")

    def gradients(self, x: AnyArray, cotangent: AnyArray) -> Mapping[str, AnyArray]:
        """The gradients of `sum(cotangent * layer(x)) + loss` for `input` and every weight that is trained."""
        raise Unsupported("the layer has no gradients")

    def step(self, gradients: Mapping[str, AnyArray], learning_rate: float) -> None:
        """An optimizer's update by plain gradient descent with these gradients of the weights that are trained."""
        raise Unsupported("the layer has no optimizer")

    def fit(self, x: AnyArray, cotangent: AnyArray, learning_rate: float) -> None:
        """One such step of training, compiled as the framework does by default, on one batch.

        The loss is the mean over the batch of `sum(cotangent * layer(x))`, and what the regularizers add.
        """
        raise Unsupported("the layer has no training of its own")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The shape that the layer states without computing; None for a size that is not known."""
        raise Unsupported("the layer states no shapes")

    def symbolic_shape(self, input_shape: Shape) -> Shape:
        """The shape of the output of a symbolic call; None for a size that is not known."""
        raise Unsupported("the layer has no symbolic calls")

    def get_config(self) -> Mapping[str, Any]:
        """The layer's configuration, JSON values."""
        raise Unsupported("the layer has no configuration")

    def recreated(self) -> LayerHandle:
        """Another layer, made from the configuration of this one."""
        raise Unsupported("layers are not made from configurations")

    def reloaded(self) -> LayerHandle:
        """The layer, saved in the framework's own format and loaded again."""
        raise Unsupported("layers are not saved")


class Adapter(ABC):
    """Translates a case into one framework's calls; never computes.

    An instance lives in a worker process, for one `device` and one `mode` ("" is how users get the framework by
    default). Frameworks are imported in `__init__` or later, never at the top of a module.

    `x` is laid out as `config.data_format` says; `kernel` is `(kernel_height, kernel_width, channels,
    depth_multiplier)`; `bias` is `(channels * depth_multiplier,)` or None, as `config.use_bias` says; output channel
    `c * depth_multiplier + m` belongs to input channel `c`. Arrays come in and go out in `config.dtype` (bfloat16 by
    `ml_dtypes`), on the host. Raise `Unsupported(reason)` for what the target does not claim; any other exception on a
    valid case is judged as a refusal.

    Arrays are contiguous, but for the check `memory`: it asks for those of `LAYOUTS` that `layouts` names, which is to
    name what reaches the software as it came. Where it is copied first (into C order, into a file), name none.

    Where every new shape costs seconds, `cases` says how many cases it is asked at most: those that cover most pairs.
    """

    name: ClassVar[str]
    modes: ClassVar[tuple[str, ...]] = ()
    claims: ClassVar[str] = ""  # what it supports, in the claims language: cases are drawn inside it
    cases: int = 0  # that it is asked at most, 0 for all
    layouts: ClassVar[tuple[str, ...]] = ()  # of `LAYOUTS`: how arrays may lie in memory that it passes on as they are

    def __init__(self, device: str = "cpu", mode: str = "") -> None:
        self.device = device
        self.mode = mode

    def describe(self) -> Description:
        """Versions, devices, dtypes, limits and claims."""
        return Description(claims=self.claims)

    @abstractmethod
    def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
        """`activation(depthwise_conv2d(x, kernel) + bias)`.

        Of shape `(batch, new_height, new_width, channels * depth_multiplier)`, or `(batch, channels * depth_multiplier,
        new_height, new_width)`, in `config.dtype`. Raises Unsupported for what is not claimed.
        """

    def gradients(
        self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None, cotangent: AnyArray
    ) -> Gradients:
        """The gradients of `sum(cotangent * forward(config, x, kernel, bias))` by the framework's autodiff.

        `cotangent` has the shape of the output; each gradient has that of its argument, in `config.dtype`. Raises
        Unsupported for what is not claimed.
        """
        raise Unsupported(f"{self.name} has no gradients")

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape that the framework infers without computing; None for a dimension that it does not know.

        `input_shape` may have None for any dimension but the channels. Raises Unsupported for what is not claimed.
        """
        raise Unsupported(f"{self.name} has no symbolic shapes")

    def layer(self, *positional: Any, **arguments: Any) -> LayerHandle:
        """The framework's own layer from the seed's constructor arguments as given, valid or not.

        Initializers, regularizers and constraints come as Keras takes them: None, a name, `{"class_name": ...,
        "config": {...}}`, or a `function` of this adapter.
        """
        raise Unsupported(f"{self.name} is a raw operation, with a contract of its own for arguments")

    def function(self, name: str) -> Callable[..., Any]:
        """A function of the framework's tensors: one of `reference.functions.FUNCTIONS`, written for them."""
        raise Unsupported(f"{self.name} has no function {name!r}")
