"""What users bring: a narrow kernel that says what it claims, the same with planted bugs, and files with mistakes."""

from __future__ import annotations

from typing import Any, ClassVar

from honest import Array, Honest

from depthwise_conformance import Gradients, LayerConfig, LayerHandle, Unsupported

CLAIMS = (
    'kernel_size == 3 and strides in (1, 2) and dilation == 1 and dtype == "float32" '
    'and data_format == "channels_last" and activation == None'
)


class Narrow(Honest):
    """float32, channels last, 3x3, stride 1 or 2, no activation; what is not claimed may not even be asked."""

    name: ClassVar[str] = "narrow"
    claims: ClassVar[str] = CLAIMS
    strict: ClassVar[bool] = True

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        self.guard(config)
        return self.spoilt(config, super().forward(config, x, kernel, bias))

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        self.guard(config)
        return super().gradients(config, x, kernel, bias, cotangent)

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        raise Unsupported("no symbolic shapes")

    def guard(self, config: LayerConfig) -> None:
        """Does nothing else than what is claimed."""
        inside = config.kernel_size == (3, 3) and max(config.strides) <= 2 and config.dilation_rate == (1, 1)
        inside &= config.strides[0] == config.strides[1] and config.activation in (None, "linear")
        if not (inside and config.dtype == "float32" and config.channels_last):
            raise AssertionError("asked for what is not claimed") if self.strict else Unsupported("3x3 alone")

    def spoilt(self, config: LayerConfig, y: Array) -> Array:
        """Where a planted bug comes in."""
        return y


class ColumnTail(Narrow):
    """Columns beyond a multiple of four are not written."""

    name = "column-tail"

    def spoilt(self, config: LayerConfig, y: Array) -> Array:
        y = y.copy()
        y[:, :, y.shape[2] // 4 * 4 :] = 0
        return y


class ChannelTail(Narrow):
    """Channels beyond a multiple of eight are doubled, where there are more than eight."""

    name = "channel-tail"

    def spoilt(self, config: LayerConfig, y: Array) -> Array:
        y = y.copy()
        if y.shape[3] > 8:
            y[..., y.shape[3] // 8 * 8 :] *= 2
        return y


class Pad(Narrow):
    """With padding="same", a single zero comes before instead of after."""

    name = "pad"

    def zeros_before(self, total: int) -> int:
        return total if total == 1 else super().zeros_before(total)


class Declines(Narrow):
    """Says nothing of what it claims, and declines nearly all."""

    name = "declines"
    claims = ""
    strict = False

    def layer(self, *positional: Any, **arguments: Any) -> LayerHandle:
        raise Unsupported("no layer")


class Misspelt(Honest):
    """Claims in a language of its own."""

    name: ClassVar[str] = "misspelt"
    claims: ClassVar[str] = "kernal_size == 3"


class Typo(Honest):
    """A name that there is not, on the way of every call."""

    name: ClassVar[str] = "typo"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        print("about to compute")
        return nmupy.zeros(3)  # noqa: F821

    def gradients(
        self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None, cotangent: Array
    ) -> Gradients:
        raise Unsupported("no gradients")

    def output_shape(self, config: LayerConfig, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        raise Unsupported("no symbolic shapes")


class Sometimes(Honest):
    """Raises on every batch of two, and says so before."""

    name: ClassVar[str] = "sometimes"

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if x.shape[0] == 2:
            print("two images are too many")
            raise RuntimeError("two images")
        return super().forward(config, x, kernel, bias)


class Stops(Honest):
    """Has a breakpoint."""

    name: ClassVar[str] = "stops"
    calls: ClassVar[int] = 0

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        Stops.calls += 1
        if Stops.calls == 2:
            breakpoint()
        return super().forward(config, x, kernel, bias)


class Slow(Honest):
    """Wants few cases, and is wrong where "same" padding meets strides."""

    name: ClassVar[str] = "slow"
    cases = 30

    def forward(self, config: LayerConfig, x: Array, kernel: Array, bias: Array | None) -> Array:
        if config.padding == "same" and max(config.strides) > 1:
            return super().forward(config, x, -kernel, bias)
        return super().forward(config, x, kernel, bias)
