"""Shapes that are stated without computing."""

from __future__ import annotations

from layers import HonestLayer, Known

from layer_faults.base import belongs_to


@belongs_to("shape_inference")
class ShapeOfSameTooLarge(HonestLayer):
    """compute_output_shape with padding="same" is one row too tall."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        found = list(super().compute_output_shape(input_shape))
        row = 1 if self.config.channels_last else 2
        if self.config.padding == "same" and found[row] is not None:
            found[row] += 1
        return tuple(found)


@belongs_to("shape_inference")
class ShapeForgetsDilation(HonestLayer):
    """compute_output_shape is that of a kernel without dilation."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        super().compute_output_shape(input_shape)
        return self.adapter.output_shape(self.construct({**self.operation(), "dilation_rate": 1}), input_shape)


@belongs_to("shape_inference")
class ShapeForgetsStrides(HonestLayer):
    """compute_output_shape is that of strides of one."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        super().compute_output_shape(input_shape)
        return self.adapter.output_shape(self.construct({**self.operation(), "strides": 1}), input_shape)


@belongs_to("shape_inference")
class ShapeForgetsMultiplier(HonestLayer):
    """compute_output_shape has as many channels as the input."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        super().compute_output_shape(input_shape)
        return self.adapter.output_shape(self.construct({**self.operation(), "depth_multiplier": 1}), input_shape)


@belongs_to("shape_inference")
class ShapeAsIfChannelsLast(HonestLayer):
    """compute_output_shape reads every shape as channels_last."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        last = self.construct({**self.operation(), "data_format": "channels_last"})
        return self.adapter.output_shape(last, input_shape)


@belongs_to("shape_inference")
class ShapeRaisesOnUnknown(HonestLayer):
    """compute_output_shape raises TypeError where a size is unknown."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        if None in input_shape:
            raise TypeError("unsupported operand type(s) for -: 'NoneType' and 'int'")
        return super().compute_output_shape(input_shape)


@belongs_to("shape_inference")
class ShapeOfUnknownIsOne(HonestLayer):
    """compute_output_shape takes an unknown size for one that just fits."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        return tuple(1 if size is None else size for size in super().compute_output_shape(input_shape))


@belongs_to("shape_inference")
class ShapeOfUnknownHeightIsWidth(HonestLayer):
    """compute_output_shape takes the width for a height that alone is unknown."""

    def compute_output_shape(self, input_shape: Known) -> Known:
        row = 1 if self.config.channels_last else 2
        known = list(input_shape)
        known[row] = known[row + 1] if known[row] is None else known[row]
        return super().compute_output_shape(tuple(known))


@belongs_to("shape_inference")
class SymbolicBatchOfOne(HonestLayer):
    """Symbolic calls take an unknown batch for one."""

    def symbolic_shape(self, input_shape: Known) -> Known:
        batch, *rest = super().symbolic_shape(input_shape)
        return (1 if batch is None else batch, *rest)


@belongs_to("shape_inference")
class SymbolicBatchHasToBeKnown(HonestLayer):
    """Symbolic calls raise ValueError where the batch is unknown."""

    def symbolic_shape(self, input_shape: Known) -> Known:
        if input_shape[0] is None:
            raise ValueError("the batch is unknown")
        return super().symbolic_shape(input_shape)


@belongs_to("shape_inference")
class SymbolicShapeUnknown(HonestLayer):
    """Symbolic calls have a shape of five dimensions."""

    def symbolic_shape(self, input_shape: Known) -> Known:
        return (*super().symbolic_shape(input_shape), None)


@belongs_to("shape_inference")
class SymbolicShapeSwapped(HonestLayer):
    """Symbolic calls swap height and width of channels_first."""

    def symbolic_shape(self, input_shape: Known) -> Known:
        batch, channels, height, width = found = super().symbolic_shape(input_shape)
        return found if self.config.channels_last else (batch, channels, width, height)
