"""The relations that the check `metamorphic` judges by, and which of them says something of a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.casebook.recipes import SPECIAL, Arrays, recipe_of
from depthwise_conformance.judging.relation import Relation
from depthwise_conformance.judging.values import AnyArray, Expectation, Floats
from depthwise_conformance.reference import LayerConfig, output_shape, split_shape
from depthwise_conformance.reference.activations import OVER_LAST_AXIS
from depthwise_conformance.reference.geometry import Axis, spatial_axes


class BatchSplit(Relation):
    """Images have nothing to do with one another: a batch in two parts, joined, is the batch."""

    name = "batch split"

    def suits(self, case: Case) -> bool:
        """A batch of two or more."""
        return case.input_shape[0] > 1

    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """Each half of the batch."""
        a, half = expectation.arrays, len(expectation.arrays.x) // 2
        return _altered(expectation, x=a.x[:half]), _altered(expectation, x=a.x[half:])

    def join(self, case: Case, outputs: Sequence[Floats]) -> Floats:
        """One behind the other."""
        return np.concatenate(outputs)


class ChannelsPermuted(Relation):
    """Channels have nothing to do with one another: permuted with their weights, their outputs are permuted."""

    name = "channels permuted"

    def suits(self, case: Case) -> bool:
        """Two channels or more, and no halves of them that are multiplied."""
        return case.channels > 1 and not (case.config.activation == "glu" and case.config.channels_last)

    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """The odd channels before the even ones."""
        a, order, multiplier = (
            expectation.arrays,
            self._order(expectation.case),
            expectation.case.config.depth_multiplier,
        )
        x = _laid_out(expectation.case.config, _images(expectation.case.config, a.x)[..., order])
        bias = None if a.bias is None else a.bias.reshape(-1, multiplier)[order].reshape(-1)
        return (_altered(expectation, x=x, kernel=a.kernel[:, :, order], bias=bias),)

    def join(self, case: Case, outputs: Sequence[Floats]) -> Floats:
        """Back in the old order."""
        y = _images(case.config, outputs[0])
        channels = y.reshape(*y.shape[:3], case.channels, case.config.depth_multiplier)
        return _laid_out(case.config, channels[..., np.argsort(self._order(case)), :].reshape(y.shape))

    def _order(self, case: Case) -> list[int]:
        """Neither a rotation nor a reflection, with which some wrong orders would go together."""
        return [*range(1, case.channels, 2), *range(0, case.channels, 2)]


class InputShifted(Relation):
    """Without padding, an input shifted by the strides shifts the output by one; what is shifted out comes in again."""

    name = "input shifted"
    weight = 2

    def suits(self, case: Case) -> bool:
        """Outputs overlap: no padding, two rows or columns (not columns where an activation goes along the width)."""
        return case.config.padding == "valid" and any(self._steps(case))

    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """The input rolled up and to the left."""
        config = expectation.case.config
        shift = [-step * stride for step, stride in zip(self._steps(expectation.case), config.strides, strict=True)]
        images = np.roll(_images(config, expectation.arrays.x), shift, axis=(1, 2))
        return (_altered(expectation, x=_laid_out(config, images)),)

    def join(self, case: Case, outputs: Sequence[Floats]) -> Floats:
        """The windows that saw nothing of what came in again."""
        y, (down, right) = _images(case.config, outputs[0]), self._steps(case)
        return _laid_out(case.config, y[:, : y.shape[1] - down, : y.shape[2] - right])

    def seen(self, case: Case, output: Floats) -> Floats:
        """The same windows before the shift."""
        down, right = self._steps(case)
        return _laid_out(case.config, _images(case.config, output)[:, down:, right:])

    def _steps(self, case: Case) -> tuple[int, int]:
        """By how many windows the input is shifted along the height and the width: one or none."""
        rows, columns = _axes(case)
        along_width = case.config.activation in OVER_LAST_AXIS and not case.config.channels_last
        return int(rows.output > 1), int(columns.output > 1 and not along_width)


class Transposed(Relation):
    """Height and width are alike: transposed with all its arguments, the image gives the output transposed."""

    name = "height and width transposed"

    def suits(self, case: Case) -> bool:
        """More than one pixel; no activation goes along the width."""
        along_width = case.config.activation in OVER_LAST_AXIS and not case.config.channels_last
        return _sizes(case) != (1, 1) and not along_width

    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """Image, kernel and every pair of arguments the other way round."""
        config, a = expectation.case.config, expectation.arrays
        names = ("kernel_size", "strides", "dilation_rate")
        x = _laid_out(config, _images(config, a.x).swapaxes(1, 2))
        return (_altered(expectation, x, a.kernel.swapaxes(0, 1), **{n: getattr(config, n)[::-1] for n in names}),)

    def join(self, case: Case, outputs: Sequence[Floats]) -> Floats:
        """The output the right way round."""
        return _laid_out(case.config, _images(case.config, outputs[0]).swapaxes(1, 2))


class LinearInInput(Relation):
    """The layer without bias is linear: x = a + b gives what a gives, with the bias, and half of what 2 b gives."""

    name = "linear in the input"
    weight = 2

    def suits(self, case: Case) -> bool:
        """No activation."""
        return case.config.activation in (None, "linear")

    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """Some of the input's elements, and the others doubled without the bias."""
        a = expectation.arrays
        some, others = _parted(a.x)
        return _altered(expectation, some), _altered(expectation, others, bias=_no_bias(a))

    def join(self, case: Case, outputs: Sequence[Floats]) -> Floats:
        """The sum, halved where it was doubled: exact in float64 but for float64 layers, where the bounds hold it."""
        return np.asarray(outputs[0] + outputs[1] / 2.0)


class LinearInKernel(LinearInInput):
    """Likewise for the kernel."""

    name = "linear in the kernel"

    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """Some of the kernel's elements, and the others doubled without the bias."""
        a = expectation.arrays
        some, others = _parted(a.kernel)
        return _altered(expectation, kernel=some), _altered(expectation, kernel=others, bias=_no_bias(a))


class OtherDataFormat(Relation):
    """The data format says where the channels are, and nothing else."""

    name = "the other data_format"

    def suits(self, case: Case) -> bool:
        """No activation that goes over the last axis whatever that is."""
        return case.config.activation not in OVER_LAST_AXIS

    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """The same image laid out otherwise."""
        config = _other_format(expectation.case.config)
        x = _laid_out(config, _images(expectation.case.config, expectation.arrays.x))
        return (_altered(expectation, x, data_format=config.data_format),)

    def join(self, case: Case, outputs: Sequence[Floats]) -> Floats:
        """The output laid out as the case says."""
        return _laid_out(case.config, _images(_other_format(case.config), outputs[0]))


class MultiplierUnfolded(Relation):
    """The filters of a channel are as many channels with one filter each, in the same order."""

    name = "depth_multiplier unfolded"

    def suits(self, case: Case) -> bool:
        """Two filters or more."""
        return case.config.depth_multiplier > 1

    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """Each channel as often as it has filters, with one filter."""
        config, a = expectation.case.config, expectation.arrays
        x = _laid_out(config, np.repeat(_images(config, a.x), config.depth_multiplier, axis=3))
        return (_altered(expectation, x, a.kernel.reshape(*config.kernel_size, -1, 1), depth_multiplier=1),)


class DilationUnfolded(Relation):
    """A dilated kernel is a larger one with zeros between."""

    name = "dilation_rate unfolded"
    weight = 3

    def suits(self, case: Case) -> bool:
        """There is a dilation."""
        return max(case.config.dilation_rate) > 1

    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """The kernel with its zeros, and a dilation rate of 1."""
        k, (down, right) = expectation.arrays.kernel, expectation.case.config.dilation_rate
        rows, columns = _axes(expectation.case)
        size = (rows.span, columns.span)
        kernel = np.zeros((*size, *k.shape[2:]), k.dtype)
        kernel[::down, ::right] = k
        return (_altered(expectation, None, kernel, kernel_size=size, dilation_rate=(1, 1), strided_dilation=False),)


class PaddingUnfolded(Relation):
    """padding="same" is padding="valid" on an image with zeros around it."""

    name = "padding unfolded"
    weight = 2

    def suits(self, case: Case) -> bool:
        """There is padding to take apart."""
        return case.config.padding == "same"

    def calls(self, expectation: Expectation) -> tuple[Expectation, ...]:
        """The image with its zeros."""
        config, (rows, columns) = expectation.case.config, _axes(expectation.case)
        images = _images(config, expectation.arrays.x)
        batch, height, width, channels = images.shape
        shape = (batch, rows.before + height + rows.after, columns.before + width + columns.after, channels)
        padded = np.zeros(shape, images.dtype)
        padded[:, rows.before : rows.before + height, columns.before : columns.before + width] = images
        return (_altered(expectation, _laid_out(config, padded), padding="valid"),)


RELATIONS: tuple[Relation, ...] = (
    BatchSplit(),
    ChannelsPermuted(),
    InputShifted(),
    Transposed(),
    LinearInInput(),
    LinearInKernel(),
    OtherDataFormat(),
    MultiplierUnfolded(),
    DilationUnfolded(),
    PaddingUnfolded(),
)


def applicable(case: Case) -> tuple[Relation, ...]:
    """The relations that say something of a case."""
    if case.input_shape[0] == 0 or recipe_of(case.data) == SPECIAL:
        return ()
    return tuple(relation for relation in RELATIONS if relation.suits(case))


def choose(expectation: Expectation, claim: Claim = EVERYTHING) -> Relation | None:
    """One whose calls are all claimed, the same for a case always and each about as often; None where there is none."""
    case = expectation.case
    doubtful = bool(claim.text or case.data.arrays)
    relations = [one for one in applicable(case) if not doubtful or _may_be_asked(one, expectation, claim)]
    found = [relation for relation in relations for _ in range(relation.weight)]
    return found[int(case.id[8:], 16) % len(found)] if found else None


def _may_be_asked(relation: Relation, expectation: Expectation, claim: Claim) -> bool:
    """Whether its calls are claimed, and no number of the case's own became infinite in them."""
    with np.errstate(over="ignore"):
        calls = relation.calls(expectation)
    own = bool(expectation.case.data.arrays)
    return all(claim.covers(call.case) and not (own and _overflows(call.arrays)) for call in calls)


def _overflows(arrays: Arrays) -> bool:
    given = (array for array in (arrays.x, arrays.kernel, arrays.bias) if array is not None)
    return not all(np.isfinite(array).all() for array in given)


def _altered(
    of: Expectation,
    x: AnyArray | None = None,
    kernel: AnyArray | None = None,
    bias: AnyArray | None = None,
    **arguments: Any,
) -> Expectation:
    """The call with other arrays and arguments, those that are given."""
    old = of.arrays
    x = old.x if x is None else np.ascontiguousarray(x)
    kernel = old.kernel if kernel is None else np.ascontiguousarray(kernel)
    bias = old.bias if bias is None else bias
    shape: Any = x.shape
    data = Data(recipe_of(of.case.data), of.case.data.seed)  # its own arrays would not fit
    case = Case(replace(of.case.config, **arguments), shape, data)
    cotangent = np.zeros(output_shape(case.config, shape), x.dtype)
    return replace(of, case=case, given=Arrays(x, kernel, bias, cotangent))


def _parted(array: AnyArray) -> tuple[AnyArray, AnyArray]:
    """`a` and `2 b` of which the array is `a + b`, no element in both."""
    chosen = (np.random.PCG64(array.size).random_raw(array.size) & np.uint64(1)).astype(bool).reshape(array.shape)
    zero = array.dtype.type(0)
    return np.where(chosen, array, zero), np.where(chosen, zero, array + array)


def _no_bias(arrays: Arrays) -> AnyArray | None:
    return None if arrays.bias is None else np.zeros_like(arrays.bias)


def _other_format(config: LayerConfig) -> LayerConfig:
    return replace(config, data_format="channels_first" if config.channels_last else "channels_last")


def _images(config: LayerConfig, array: NDArray[Any]) -> NDArray[Any]:
    return array if config.channels_last else array.transpose(0, 2, 3, 1)


def _laid_out(config: LayerConfig, images: NDArray[Any]) -> NDArray[Any]:
    return images if config.channels_last else images.transpose(0, 3, 1, 2)


def _sizes(case: Case) -> tuple[int, int]:
    return split_shape(case.config, case.input_shape)[1:3]


def _axes(case: Case) -> tuple[Axis, Axis]:
    return spatial_axes(case.config, *_sizes(case))
