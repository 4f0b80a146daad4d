"""Loops over windows and taps, in the output or in one gradient, whose own bounds or buffers are wrong."""

from __future__ import annotations

import numpy as np
from honest import Array, Axis

from depthwise_conformance.reference import LayerConfig
from faults.base import Fault


class Bounded(Fault):
    """Honest, with the gradients tap by tap over the windows that `seen` says."""

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        """The first window whose tap lies inside the input, and the one behind the last."""
        first = -((tap * axis.dilation - axis.before) // axis.stride)
        last = (axis.size - 1 + axis.before - tap * axis.dilation) // axis.stride
        return max(first, 0), min(last + 1, axis.output)

    def windows(self, axis: Axis, tap: int) -> slice:
        first, last = self.seen(axis, tap)
        return slice(first, max(last, 0))

    def within(self, rows: Axis, columns: Axis, p: int, q: int, d: Array) -> Array:
        """The cotangents of those windows; zeros elsewhere."""
        found = np.zeros_like(d)
        at = (slice(None), *(self.windows(*pair) for pair in ((rows, p), (columns, q))))
        found[at] = d[at]
        return found


class BoundedKernelGradient(Bounded):
    """Bounds of its own in the kernel's gradient."""

    check = "gradient_kernel"

    def kernel_gradient(self, config: LayerConfig, d: Array, images: Array) -> Array:
        rows, columns = self.axes(config, images)
        padded = self.pad(self.expand(config, images), rows, columns)
        total = np.zeros((rows.kernel, columns.kernel, d.shape[3]), d.dtype)
        for p, q in self.taps(rows, columns):
            window = padded[:, self.window(rows, p), self.window(columns, q)]
            total[p, q] = (window * self.within(rows, columns, p, q, d)).sum(axis=(0, 1, 2), dtype=d.dtype)
        return total.reshape(rows.kernel, columns.kernel, images.shape[3], config.depth_multiplier)


class BoundedInputGradient(Bounded):
    """Bounds of its own in the input's gradient."""

    check = "gradient_input"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        rows, columns = self.axes(config, images)
        put = np.zeros((d.shape[0], rows.padded, columns.padded, d.shape[3]), d.dtype)
        for p, q in self.taps(rows, columns):
            share = self.within(rows, columns, p, q, d) * weights[p, q]
            put[:, self.window(rows, p), self.window(columns, q)] += share
        inside = put[:, rows.before : rows.before + rows.size, columns.before : columns.before + columns.size]
        return inside.reshape(*images.shape, config.depth_multiplier).sum(axis=4, dtype=d.dtype)


class KernelGradientMissesLastColumnInside(BoundedKernelGradient):
    """The kernel's gradient leaves out the last window of every column of taps that lies inside the input."""

    cause = "last window inside lost along the width (kernel gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        first, last = super().seen(axis, tap)
        return first, last - 1 if axis.index == 1 else last


class KernelGradientMissesFirstBehindZeros(BoundedKernelGradient):
    """The kernel's gradient leaves out a tap's first window inside the input, where it is not the first of all."""

    cause = "first window behind zeros lost (kernel gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        first, last = super().seen(axis, tap)
        return first + (first > 0), last


class KernelGradientRoundsWindowsDown(BoundedKernelGradient):
    """The kernel's gradient: the windows of a tap are counted as if the stride divided what is left of the input."""

    cause = "windows of a tap rounded down (kernel gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        first, last = super().seen(axis, tap)
        return first, min(last, (axis.size + axis.before - tap * axis.dilation) // axis.stride)


class KernelGradientStartsUndivided(BoundedKernelGradient):
    """The kernel's gradient, with strides: a tap begins as many windows late as zeros come before it."""

    cause = "first windows not divided by the stride (kernel gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        return max(axis.before - tap * axis.dilation, 0), super().seen(axis, tap)[1]


class KernelGradientOfWholeWindows(BoundedKernelGradient):
    """The kernel's gradient leaves out windows that reach beyond the input along the width."""

    cause = "windows over the border lost along the width (kernel gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        if axis.index == 0:
            return super().seen(axis, tap)
        return -(-axis.before // axis.stride), (axis.size + axis.before - axis.extent) // axis.stride + 1


class KernelGradientCountsWithoutDilation(BoundedKernelGradient):
    """The kernel's gradient: the windows of a tap are counted as if there were no dilation."""

    cause = "windows counted without the dilation (kernel gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        first, last = super().seen(axis._replace(dilation=1), tap)
        return first, min(last, super().seen(axis, tap)[1])


class KernelGradientPaddedEvenly(BoundedKernelGradient):
    """The kernel's gradient leaves out windows that reach further behind the input than there are zeros before it."""

    cause = "windows over even padding lost (kernel gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        first, last = super().seen(axis, tap)
        return first, min(last, (axis.size + 2 * axis.before - axis.extent) // axis.stride + 1)


class InputGradientMissesLastWindowOfTap(BoundedInputGradient):
    """The input's gradient: a tap's last window inside the input is left out, where the input ends before it."""

    cause = "last window of a tap lost (input gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        first, last = super().seen(axis, tap)
        return first, min(last, (axis.size - 1 + axis.before - tap * axis.dilation) // axis.stride)


class InputGradientMissesFirstWindows(BoundedInputGradient):
    """The input's gradient leaves out the first window of every tap that lies inside the input."""

    cause = "first window inside lost (input gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        first, last = super().seen(axis, tap)
        return first + 1, last


class InputGradientBeginsLate(BoundedInputGradient):
    """The input's gradient: a tap's first window inside the input is left out, where it lies at its edge."""

    cause = "first window of a tap late (input gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        zeros, (first, last) = axis.before - tap * axis.dilation, super().seen(axis, tap)
        return (zeros // axis.stride + 1 if zeros > 0 else first), last


class InputGradientStartsUndividedAlongHeight(BoundedInputGradient):
    """The input's gradient, with strides: rows of taps begin as many windows late as zeros come before them."""

    cause = "first windows not divided by the stride along the height (input gradient)"

    def seen(self, axis: Axis, tap: int) -> tuple[int, int]:
        first, last = super().seen(axis, tap)
        return (max(axis.before - tap * axis.dilation, 0) if axis.index == 0 else first), last


class InputGradientMissesLastRow(Fault):
    """The input's gradient leaves out the last row of the output, where there are several."""

    check = "gradient_input"
    cause = "input gradient without the last row"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        kept = np.arange(d.shape[1]) < max(d.shape[1] - 1, 1)
        return super().input_gradient(config, d * kept[:, None, None], weights, images)


class InputGradientEndsWithTheStrides(Fault):
    """The input's gradient is zero beyond as many strides as there are windows."""

    check = "gradient_input"
    cause = "positions beyond the strides lost (input gradient)"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        found = super().input_gradient(config, d, weights, images)
        rows, columns = self.axes(config, images)
        found[:, rows.output * rows.stride :] = 0
        found[:, :, columns.output * columns.stride :] = 0
        return found


class InputGradientBetweenStrides(Fault):
    """The input's gradient of rows and columns that the stride skips: what the position before them gets."""

    check = "gradient_input"
    cause = "input gradient between the steps of the stride"

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        rows, columns = self.axes(config, images)
        found = np.zeros((*images.shape[:3], d.shape[3]), d.dtype)
        at = [np.arange(axis.size) + axis.before for axis in (rows, columns)]
        for p, q in self.taps(rows, columns):
            steps = [(at[0] - p * rows.dilation) // rows.stride, (at[1] - q * columns.dilation) // columns.stride]
            inside = [(step >= 0) & (step < axis.output) for step, axis in zip(steps, (rows, columns), strict=True)]
            taken = d[:, steps[0].clip(0, rows.output - 1)][:, :, steps[1].clip(0, columns.output - 1)]
            found += taken * (inside[0][:, None] & inside[1])[..., None] * weights[p, q]
        return found.reshape(*images.shape, config.depth_multiplier).sum(axis=4, dtype=d.dtype)


class InputGradientPaddedAsForward(Fault):
    """padding="same": the input's gradient is a convolution with as many zeros before as the output's."""

    check = "gradient_input"
    cause = "input gradient from the other end"
    slack = 64

    def input_gradient(self, config: LayerConfig, d: Array, weights: Array, images: Array) -> Array:
        rows, columns = self.axes(config, images)
        put = np.zeros((d.shape[0], rows.padded + self.slack, columns.padded + self.slack, d.shape[3]), d.dtype)
        for p, q in self.taps(rows, columns):
            put[:, self.window(rows, p), self.window(columns, q)] += d * weights[p, q]
        first = [axis.extent - 1 - axis.before if config.padding == "same" else 0 for axis in (rows, columns)]
        inside = put[:, first[0] : first[0] + rows.size, first[1] : first[1] + columns.size]
        return inside.reshape(*images.shape, config.depth_multiplier).sum(axis=4, dtype=d.dtype)


class Buffered(Fault):
    """Honest, from the positions along each axis that `read` gives: `(output, kernel)` of the padded input."""

    def convolve(self, config: LayerConfig, images: Array, weights: Array) -> Array:
        rows, columns = self.axes(config, images)
        padded = self.pad(self.expand(config, images), rows, columns)
        at, beside = self.positions(rows), self.positions(columns)
        total = np.zeros((images.shape[0], rows.output, columns.output, padded.shape[3]), images.dtype)
        for p, q in self.taps(rows, columns):
            total = self.multiply_add(total, padded[:, at[:, p]][:, :, beside[:, q]], weights[p, q])
        return total

    def positions(self, axis: Axis) -> Array:
        return np.add.outer(np.arange(axis.output) * axis.stride, np.arange(axis.kernel) * axis.dilation)


class RowsReused(Buffered):
    """Windows below one another share the rows of all taps but the last, whatever stride and dilation are."""

    cause = "positions kept from the window before along the height"

    def positions(self, axis: Axis) -> Array:
        found = super().positions(axis)
        for window in range(1, axis.output if axis.index == 0 else 0):
            found[window, :-1] = found[window - 1, 1:]
        return found


class ColumnsReusedWithDilation(Buffered):
    """Along the width, as many taps as the stride are read anew in each window, with dilation too."""

    cause = "positions kept from a stride before along the width"

    def positions(self, axis: Axis) -> Array:
        found = super().positions(axis)
        if axis.index == 1 and axis.stride < axis.kernel:
            for window in range(1, axis.output):
                found[window, : -axis.stride] = found[window - 1, axis.stride :]
        return found


class RowsReusedInPairs(Buffered):
    """Rows of the output are computed in pairs, of which the second shares the rows of all taps but the last."""

    cause = "positions kept in pairs of windows along the height"

    def positions(self, axis: Axis) -> Array:
        found = super().positions(axis)
        second = np.arange(1, axis.output if axis.index == 0 else 0, 2)
        found[second, :-1] = found[second - 1, 1:]
        return found
