"""The library of named deviations: what a wrong layer may compute instead of what is documented.

Each is a change of the honest `Program`. A change of the linear map goes through to the gradients, as where they are
taken by its transpose; the same change in one gradient alone is a deviation of its own.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

from depthwise_conformance.diagnosis.deviant import (
    PARTS,
    Array,
    Back,
    Index,
    Map,
    Program,
    Side,
    Softmax,
    numbered,
    side,
)
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reference.activations import ACTIVATIONS, LINEAR, SMOOTH, Activation, constantly
from depthwise_conformance.reference.geometry import effective_extent

Change = Callable[[Program], Program | None]
MapChange = Callable[[Map, LayerConfig], Map | None]
SideChange = Callable[[Side, Side, bool], Side | None]
GRADIENTS = ("input", "kernel")


@dataclass(frozen=True)
class Deviation:
    """A named way to be wrong.

    `kind` is what it is about, `parts` are those of "output", "input", "kernel" and "bias" (the gradients) that it may
    change. `change` gives the deviating program, None where it is no other than the program given.
    """

    name: str
    sentence: str
    kind: str
    parts: tuple[str, ...]
    change: Change


# Changes of the linear map.


def _same_map(a: Map, b: Map) -> bool:
    if (a.rows, a.columns, a.scale, a.narrow, a.quantise) != (b.rows, b.columns, b.scale, b.narrow, b.quantise):
        return False
    if (a.sums is None) != (b.sums is None):
        return False
    pairs = [(a.images, b.images), (a.kernel, b.kernel)]
    if a.sums is not None and b.sums is not None:
        pairs.append((a.sums, b.sums))
    return all(first is second or np.array_equal(first, second) for first, second in pairs)


def _applied(change: MapChange, m: Map, config: LayerConfig) -> Map:
    """The changed map; the one given where the change does not apply to it."""
    try:
        changed = change(m, config)
    except ValueError:  # a kernel that does not fit
        return m
    return m if changed is None or _same_map(changed, m) else changed


def _throughout(change: MapChange) -> Change:
    def apply(program: Program) -> Program | None:
        forward = _applied(change, program.forward, program.config)
        backs = {
            part: _back_map(back, _applied(change, back.map, program.config)) for part, back in program.backs.items()
        }
        if forward is program.forward and all(backs[part] is program.backs[part] for part in backs):
            return None
        return replace(program, forward=forward, backs=backs)

    return apply


def _in_gradient(part: str, change: MapChange) -> Change:
    def apply(program: Program) -> Program | None:
        back = program.backs[part]
        changed = _back_map(back, _applied(change, back.map, program.config))
        return None if changed is back else replace(program, backs={**program.backs, part: changed})

    return apply


def _back_map(back: Back, m: Map) -> Back:
    return back if m is back.map else replace(back, map=m)


def _of_map(name: str, sentence: str, kind: str, change: MapChange) -> Iterator[Deviation]:
    yield Deviation(name, sentence, kind, PARTS, _throughout(change))
    for part in GRADIENTS:
        alone = f"{sentence} Only in the gradient of the {part}."
        yield Deviation(f"{name} ({part} gradient)", alone, f"{part} gradient", (part,), _in_gradient(part, change))


def _of_sides(names: Sequence[str], sentence: str, kind: str, change: SideChange) -> Iterator[Deviation]:
    """The change of both axes and of either; in one gradient alone too, unless it resizes the output."""

    def on(axes: tuple[int, ...]) -> MapChange:
        def apply(m: Map, config: LayerConfig) -> Map | None:
            sides = m.rows, m.columns
            same = config.padding == "same"
            changed = [change(sides[i], sides[1 - i], same) if i in axes else None for i in (0, 1)]
            return replace(m, rows=changed[0] or m.rows, columns=changed[1] or m.columns)

        return apply

    for name, where, axes in zip(names, ("", " Along the height.", " Along the width."), AXES_CHANGED, strict=True):
        found = _of_map(name, f"{sentence}{where}", kind, on(axes))
        yield from itertools.islice(found, 1) if kind == "size" else found


AXES_CHANGED = ((0, 1), (0,), (1,))


def _along(name: str) -> tuple[str, str, str]:
    return name, f"{name} along the height", f"{name} along the width"


def _zeros(size: int, kernel: int, stride: int, dilation: int) -> int:
    """The documented number of zeros of padding="same", negative where windows leave gaps."""
    return (-(-size // stride) - 1) * stride + effective_extent(kernel, dilation) - size


def _before(count: Callable[[Side, Side], int]) -> SideChange:
    return lambda s, other, same: replace(s, before=count(s, other)) if same else None


def _half_of(total: Callable[[Side, Side], int]) -> SideChange:
    return _before(lambda s, other: max(total(s, other), 0) // 2)


def _documented(s: Side) -> int:
    return max(_zeros(s.size, s.kernel, s.stride, s.dilation), 0)


def _rebuilt(arguments: Callable[[Side, Side], dict[str, int]]) -> SideChange:
    def apply(s: Side, other: Side, same: bool) -> Side:
        given = {"kernel": s.kernel, "stride": s.stride, "dilation": s.dilation, **arguments(s, other)}
        padding = "same" if same else "valid"
        return side(s.size, given["kernel"], given["stride"], given["dilation"], padding)

    return apply


def _windows(arguments: Callable[[Side, Side], dict[str, int]]) -> SideChange:
    return lambda s, other, same: replace(s, **arguments(s, other))  # type: ignore[arg-type]


def _resized(output: Callable[[Side], int], padding: str) -> SideChange:
    def apply(s: Side, other: Side, same: bool) -> Side | None:
        return replace(s, output=max(output(s), 1)) if padding in ("", "same" if same else "valid") else None

    return apply


def _unpadded(s: Side, other: Side, same: bool) -> Side | None:
    return side(s.size, s.kernel, s.stride, s.dilation, "valid") if same else None


def _padded(s: Side, other: Side, same: bool) -> Side | None:
    return None if same else side(s.size, s.kernel, s.stride, s.dilation, "same")


def _floored(s: Side, other: Side, same: bool) -> Side | None:
    output = max(s.size // s.stride, 1)
    total = max((output - 1) * s.stride + effective_extent(s.kernel, s.dilation) - s.size, 0)
    return replace(s, output=output, before=total // 2) if same else None


def _border(border: str) -> SideChange:
    return lambda s, other, same: replace(s, border=border) if same else None


BORDERS = {
    "edge": "repeats the edge",
    "reflect": "mirrors the input, its edge once,",
    "symmetric": "mirrors the input, its edge twice,",
    "wrap": "goes on at the other end",
}


def _side_deviations() -> Iterator[Deviation]:
    for what, both, kind in (("stride", "strides", "size"), ("dilation", "dilation", "argument")):
        yield from _argument_deviations(what, both, kind)
    at_most: SideChange = _windows(lambda s, o: {"stride": min(s.stride, s.kernel)})
    sentence = "A stride larger than the kernel is taken for the kernel's size where the input is read."
    yield from _of_sides(_along("stride at most the kernel"), sentence, "windows", at_most)
    for name, sentence, change in SAME_PADDING:
        yield from _of_sides(_along(f"same padding {name}"), f'padding="same": {sentence}', "padding", change)
    for border, does in BORDERS.items():
        sentence = f'padding="same": {does} instead of adding zeros.'
        yield from _of_sides(_along(f"{border} padding"), sentence, "border", _border(border))
    for name, when, shift in (("early", "before", 1), ("late", "after", -1)):
        shifted: SideChange = _windows(lambda s, o, shift=shift: {"before": s.before + shift})  # type: ignore[misc]
        sentence = f"Every window begins one position {when} its place."
        yield from _of_sides(_along(f"one position {name}"), sentence, "shift", shifted)
    for name, sentence, change in SIZES:
        yield from _of_sides(_along(name), sentence, "size", change)


def _argument_deviations(what: str, both: str, kind: str) -> Iterator[Deviation]:
    def one(s: Side, other: Side) -> dict[str, int]:
        return {what: 1}

    def others(s: Side, other: Side) -> dict[str, int]:
        return {what: getattr(other, what)}

    swapped = f"{both} swapped", f"{what} of the width along the height", f"{what} of the height along the width"
    in_windows = tuple(f"{name} in the windows" for name in swapped)
    only = "where the input is read; sizes and padding are right."
    follow = "; sizes and padding follow."
    yield from _of_sides(_along(f"{what} ignored"), f"The {what} is taken for 1{follow}", kind, _rebuilt(one))
    yield from _of_sides(swapped, f"An axis has the other's {what}{follow}", kind, _rebuilt(others))
    name = f"{what} ignored in the windows"
    yield from _of_sides(_along(name), f"The {what} is taken for 1 {only}", "windows", _windows(one))
    yield from _of_sides(in_windows, f"An axis has the other's {what} {only}", "windows", _windows(others))


SAME_PADDING: tuple[tuple[str, str, SideChange], ...] = (
    (
        "with the odd zero before",
        "the extra one of an odd number of zeros comes before.",
        _before(lambda s, o: (_documented(s) + 1) // 2),
    ),
    ("all before", "all zeros come before.", _before(lambda s, o: _documented(s))),
    ("all after", "all zeros come after.", _before(lambda s, o: 0)),
    (
        "as for stride one",
        "zeros are counted as if the stride were 1.",
        _half_of(lambda s, o: _zeros(s.size, s.kernel, 1, s.dilation)),
    ),
    (
        "without the dilation",
        "zeros are counted for the kernel without its dilation.",
        _half_of(lambda s, o: _zeros(s.size, s.kernel, s.stride, 1)),
    ),
    (
        "without the remainder",
        "zeros are counted as if the stride divided the size.",
        _half_of(lambda s, o: effective_extent(s.kernel, s.dilation) - s.stride),
    ),
    (
        "of the other kernel side",
        "zeros are counted with the kernel's other side.",
        _half_of(lambda s, o: _zeros(s.size, o.kernel, s.stride, s.dilation)),
    ),
    (
        "of the other stride",
        "zeros are counted with the other axis's stride.",
        _half_of(lambda s, o: _zeros(s.size, s.kernel, o.stride, s.dilation)),
    ),
    (
        "of the other dilation",
        "zeros are counted with the other axis's dilation.",
        _half_of(lambda s, o: _zeros(s.size, s.kernel, s.stride, o.dilation)),
    ),
    (
        "of the other size",
        "zeros are counted with the input's other size.",
        _half_of(lambda s, o: _zeros(o.size, s.kernel, s.stride, s.dilation)),
    ),
    (
        "of half the kernel",
        "kernel // 2 * dilation zeros come before.",
        _before(lambda s, o: s.kernel // 2 * s.dilation),
    ),
    ("of half the undilated kernel", "kernel // 2 zeros come before.", _before(lambda s, o: s.kernel // 2)),
    (
        "below zero",
        "a negative number of zeros cuts the input.",
        _before(lambda s, o: int(_zeros(s.size, s.kernel, s.stride, s.dilation) / 2)),
    ),
    (
        "below the size",
        "never more zeros come before than the size less one.",
        _before(lambda s, o: min(s.before, s.size - 1)),
    ),
)

SIZES: tuple[tuple[str, str, SideChange], ...] = (
    ("same taken for valid", 'padding="same": no padding.', _unpadded),
    ("valid taken for same", 'padding="valid": pads as for "same".', _padded),
    ("same size rounded down", 'padding="same": size // stride windows.', _floored),
    (
        "same size rounded down after padding",
        'padding="same": size // stride windows, the padding as documented.',
        _resized(lambda s: s.size // s.stride, "same"),
    ),
    (
        "valid size rounded up",
        'padding="valid": keeps the window that reaches over the edge.',
        _resized(lambda s: -(-(s.size - effective_extent(s.kernel, s.dilation)) // s.stride) + 1, "valid"),
    ),
    (
        "valid size without the dilation",
        'padding="valid": as many windows as without dilation.',
        _resized(lambda s: (s.size - s.kernel) // s.stride + 1, "valid"),
    ),
    ("one window more", "One window more than there are.", _resized(lambda s: s.output + 1, "")),
    ("one window less", "One window less than there are.", _resized(lambda s: s.output - 1, "")),
)


# How the kernel and the input are read.


def _kernel(change: Callable[[Index], Index]) -> MapChange:
    return lambda m, config: replace(m, kernel=change(m.kernel))


def _without(*taps: Any) -> MapChange:
    """Without the taps at this index of (kernel_height, kernel_width)."""

    def apply(kernel: Index) -> Index:
        if min(kernel.shape[:2]) * max(kernel.shape[:2]) == 1:
            return kernel
        left = kernel.copy()
        left[taps] = -1
        return left

    return _kernel(apply)


def _centre(m: Map, config: LayerConfig) -> Map | None:
    height, width = m.kernel.shape[:2]
    if height % 2 == 0 or width % 2 == 0 or height * width == 1:
        return None
    return _without(height // 2, width // 2)(m, config)


def _read_as(order: Sequence[int]) -> MapChange:
    def apply(kernel: Index) -> Index:
        memory = kernel.reshape([kernel.shape[axis] for axis in order])
        return memory.transpose(np.argsort(order))

    return _kernel(apply)


def _axes_swapped(m: Map, config: LayerConfig) -> Map:
    """The kernel's, strides' and dilation's height is used for the width and the other way round."""
    same = config.padding == "same"
    take: SideChange = _rebuilt(lambda s, o: {"kernel": o.kernel, "stride": o.stride, "dilation": o.dilation})
    rows, columns = take(m.rows, m.columns, same), take(m.columns, m.rows, same)
    assert rows is not None and columns is not None
    return replace(m, rows=rows, columns=columns, kernel=m.kernel.swapaxes(0, 1))


def _memory(first: int, second: int) -> MapChange:
    """The input's memory, with two of (batch, height, width, channels) taken for one another."""

    def apply(m: Map, config: LayerConfig) -> Map:
        layout = [0, 1, 2, 3] if config.channels_last else [0, 3, 1, 2]
        exchange = {first: second, second: first}
        return replace(m, images=_laid_out(m, [exchange.get(axis, axis) for axis in layout]))

    return apply


def _other_format(m: Map, config: LayerConfig) -> Map:
    return replace(m, images=_laid_out(m, [0, 3, 1, 2] if config.channels_last else [0, 1, 2, 3]))


def _laid_out(m: Map, layout: Sequence[int]) -> Index:
    return numbered(tuple(m.images.shape[axis] for axis in layout)).transpose(np.argsort(layout))


def _sizes_of_other_format(m: Map, config: LayerConfig) -> Map | None:
    """Zeros are counted for the sizes that stand where the other data format has them."""
    _, height, width, channels = m.images.shape
    wrong = (width, channels) if config.channels_last else (channels, height)
    if config.padding == "valid":
        return None
    rows, columns = (
        replace(s, before=max(_zeros(size, s.kernel, s.stride, s.dilation), 0) // 2)
        for s, size in zip((m.rows, m.columns), wrong, strict=True)
    )
    return replace(m, rows=rows, columns=columns)


AXES = ("height", "width", "channels", "multiplier")
KERNELS: tuple[tuple[str, str, MapChange], ...] = (
    (
        "kernel flipped",
        "The kernel is flipped along both axes: a convolution in the mathematician's sense.",
        _kernel(lambda k: k[::-1, ::-1]),
    ),
    ("kernel flipped along the height", "The kernel is upside down.", _kernel(lambda k: k[::-1])),
    ("kernel flipped along the width", "The kernel is mirrored.", _kernel(lambda k: k[:, ::-1])),
    (
        "first filter for all",
        "Every filter of a channel is its first.",
        _kernel(lambda k: np.broadcast_to(k[..., :1], k.shape)),
    ),
    (
        "first channel's filters for all",
        "Every channel has the filters of the first.",
        _kernel(lambda k: np.broadcast_to(k[:, :, :1], k.shape)),
    ),
    (
        "one filter for all",
        "Every output channel has the first channel's first filter.",
        _kernel(lambda k: np.broadcast_to(k[:, :, :1, :1], k.shape)),
    ),
    ("first row of taps lost", "The first row of the kernel is left out.", _without(0)),
    ("last row of taps lost", "The last row of the kernel is left out.", _without(-1)),
    ("first column of taps lost", "The first column of the kernel is left out.", _without(slice(None), 0)),
    ("last column of taps lost", "The last column of the kernel is left out.", _without(slice(None), -1)),
    ("first tap lost", "The first tap of the kernel is left out.", _without(0, 0)),
    ("last tap lost", "The last tap of the kernel is left out.", _without(-1, -1)),
    ("centre tap lost", "The centre of the kernel is left out.", _centre),
    *(
        (
            f"kernel read as ({', '.join(AXES[i] for i in order)})",
            "The kernel's memory is read in this order.",
            _read_as(order),
        )
        for order in itertools.permutations(range(4))
        if order != (0, 1, 2, 3)
    ),
)
SIZE_NAMES = ("batch", "height", "width", "channels")
READINGS: tuple[tuple[str, str, MapChange], ...] = (
    (
        "height and width swapped throughout",
        "The kernel's, strides' and dilation's two sides are exchanged.",
        _axes_swapped,
    ),
    *(
        (
            f"{SIZE_NAMES[i]} taken for {SIZE_NAMES[j]}",
            f"The input's memory is read with {SIZE_NAMES[i]} and {SIZE_NAMES[j]} exchanged.",
            _memory(i, j),
        )
        for i, j in itertools.combinations(range(4), 2)
    ),
    ("input read in the other data format", "The input's memory is read in the other data format.", _other_format),
)


def _map_deviations() -> Iterator[Deviation]:
    name, sentence = (
        "same padding of the sizes in the other data format",
        'padding="same": zeros are counted for the sizes that stand where the other data format has height and width.',
    )
    yield from _of_map(name, sentence, "padding", _sizes_of_other_format)
    for name, sentence, change in READINGS:
        yield Deviation(name, sentence, "input", PARTS, _throughout(change))
    for name, sentence, change in KERNELS:
        yield from _of_map(name, sentence, "kernel", change)


# What is multiplied.


def _rounded_to(dtype: Any) -> Callable[[Array], Array]:
    return lambda array: array.astype(dtype).astype(np.float64)


def _tf32(array: Array) -> Array:
    """Eleven significant bits, ties away from zero, as the hardware's conversion has it."""
    bits = array.astype(np.float32).view(np.uint32)
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)


def _eight_bits(kernel: Array, dtype: type[np.floating[Any]]) -> Array:
    """The nearest multiples of a 127th of the largest weight, in the arithmetic that decides between two."""
    narrow = kernel.astype(dtype)
    scale = np.abs(narrow).max(initial=0) / dtype(127)
    return (np.round(narrow / scale) * scale).astype(np.float64) if scale > 0 else kernel


def _eight_bits_in_single(kernel: Array) -> Array:
    return _eight_bits(kernel, np.float32)


def _eight_bits_in_double(kernel: Array) -> Array:
    return _eight_bits(kernel, np.float64)


NARROW: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("TF32", _tf32),
    ("bfloat16", _rounded_to(ml_dtypes.bfloat16)),
    ("float16", _rounded_to(np.float16)),
)


def _wide(config: LayerConfig) -> bool:
    return config.dtype in ("float32", "float64")


def _rounded_inputs(narrow: Callable[[Array], Array]) -> MapChange:
    return lambda m, config: replace(m, narrow=narrow) if _wide(config) else None


def _rounded_weights(narrow: Callable[[Array], Array]) -> MapChange:
    return lambda m, config: replace(m, quantise=narrow) if _wide(config) else None


def _rounded_bias(narrow: Callable[[Array], Array]) -> Change:
    def apply(program: Program) -> Program | None:
        config = program.config
        return replace(program, bias_narrow=narrow) if config.use_bias and _wide(config) else None

    return apply


def _quantised(m: Map, config: LayerConfig) -> Map:
    return replace(m, quantise=_eight_bits_in_double if config.dtype == "float64" else _eight_bits_in_single)


def _doubled(m: Map, config: LayerConfig) -> Map:
    return replace(m, scale=2.0 * m.scale)


def _accuracy_deviations() -> Iterator[Deviation]:
    for name, narrow in NARROW:
        sentence = f"What is multiplied is rounded to {name} first."
        yield from _of_map(f"{name} inputs", sentence, "accuracy", _rounded_inputs(narrow))
        weights = _throughout(_rounded_weights(narrow))
        yield Deviation(f"{name} weights", f"The kernel is rounded to {name}.", "accuracy", PARTS, weights)
        yield Deviation(f"{name} bias", f"The bias is rounded to {name}.", "accuracy", PARTS, _rounded_bias(narrow))
    sentence = "The kernel is quantised to eight bits by its largest weight."
    yield Deviation("eight-bit weights", sentence, "accuracy", PARTS, _throughout(_quantised))
    yield from _of_map("sums doubled", "The sums are twice what they should be.", "sums", _doubled)


# Places in the output, and what goes wrong there.


@dataclass(frozen=True)
class Place:
    """Some positions `region(size)` along one axis of `(batch, height, width, channels)`, None where there are none."""

    name: str
    axis: int
    region: Callable[[int], tuple[int, int] | None]

    def slices(self, shape: tuple[int, ...]) -> tuple[int, int] | None:
        """The region in an array of this shape."""
        return self.region(shape[self.axis])

    def at(self, start: int, stop: int) -> tuple[slice, ...]:
        """The index of these positions."""
        return (slice(None),) * self.axis + (slice(start, stop),)


def _first(size: int) -> tuple[int, int] | None:
    return (0, 1) if size else None


def _last_one(size: int) -> tuple[int, int] | None:
    return (size - 1, size) if size else None


def _tail(width: int) -> Callable[[int], tuple[int, int] | None]:
    return lambda size: (size // width * width, size) if size > width and size % width else None


def _after(count: int) -> Callable[[int], tuple[int, int] | None]:
    return lambda size: (count, size) if size > count else None


def _second(size: int) -> tuple[int, int] | None:
    return (1, 2) if size > 1 else None


ROWS = (Place("first row", 1, _first), Place("last row", 1, _last_one))
COLUMNS = (
    Place("first column", 2, _first),
    Place("last column", 2, _last_one),
    *(Place(f"columns beyond a multiple of {n}", 2, _tail(n)) for n in (4, 8, 16)),
)
CHANNELS = (
    Place("last channel", 3, _last_one),
    *(Place(f"channels beyond a multiple of {n}", 3, _tail(n)) for n in (4, 8, 16)),
    *(Place(f"channels after {n}", 3, _after(n)) for n in (4, 8, 16, 32)),
)
IMAGES = (
    Place("images after the first", 0, _after(1)),
    Place("images after the second", 0, _after(2)),
    Place("second image", 0, _second),
    Place("last image", 0, _last_one),
)
PLACES = (*ROWS, *COLUMNS, *CHANNELS, *IMAGES)


def _zeroed(place: Place | None) -> Callable[[Index], Index | None]:
    """Nothing taken at a place; None is everywhere."""

    def apply(index: Index) -> Index | None:
        region = (0, len(index)) if place is None else place.slices(index.shape)
        if region is None:
            return None
        index = index.copy()
        index[place.at(*region) if place else ...] = -1
        return index

    return apply


def _last_element_zeroed(index: Index) -> Index | None:
    if not index.size:
        return None
    index = index.copy()
    index[-1, -1, -1, -1] = -1
    return index


def _repeated(place: Place, of_first: bool) -> Callable[[Index], Index | None]:
    """At a place what the one before it has, or what the first has."""

    def apply(index: Index) -> Index | None:
        region = place.slices(index.shape)
        if region is None or region[0] == 0:
            return None
        source = 0 if of_first else region[0] - 1
        index = index.copy()
        index[place.at(*region)] = index[place.at(source, source + 1)]
        return index

    return apply


def _multiplier_major(m: Map, config: LayerConfig) -> Map:
    split = numbered(m.shape).reshape(*m.shape[:3], -1, config.depth_multiplier)
    return replace(m, sums=split.swapaxes(3, 4).reshape(m.shape))


def _of_sums(change: Callable[[Index], Index | None]) -> Change:
    def on_map(m: Map, config: LayerConfig) -> Map | None:
        sums = change(numbered(m.shape) if m.sums is None else m.sums)
        return None if sums is None else replace(m, sums=sums)

    return _throughout(on_map)


def _of_outputs(change: Callable[[Index], Index | None]) -> Change:
    def apply(program: Program) -> Program | None:
        outputs = change(numbered(program.forward.shape) if program.outputs is None else program.outputs)
        return None if outputs is None else replace(program, outputs=outputs)

    return apply


def _of_gradient(part: str, change: Callable[[Index], Index | None]) -> Change:
    def apply(program: Program) -> Program | None:
        back = program.backs[part]
        images = back.map.images
        flat = numbered(images.shape) if program.config.channels_last else _channels_first(images.shape)
        found = change(flat)
        if found is None:
            return None
        result = found if program.config.channels_last else found.transpose(0, 3, 1, 2)
        return replace(program, backs={**program.backs, part: replace(back, result=result)})

    return apply


def _channels_first(shape: tuple[int, ...]) -> Index:
    batch, height, width, channels = shape
    return numbered((batch, channels, height, width)).transpose(0, 2, 3, 1)


def _place_deviations() -> Iterator[Deviation]:
    targets: tuple[tuple[str, str, str, tuple[str, ...], Callable[[Callable[[Index], Index | None]], Change]], ...] = (
        ("sums: ", "before bias and activation", "place", PARTS, _of_sums),
        ("output: ", "in the output", "place", PARTS, _of_outputs),
        (
            "input gradient: ",
            "in the gradient of the input",
            "input gradient",
            ("input",),
            lambda c: _of_gradient("input", c),
        ),
    )
    for prefix, where, kind, parts, on in targets:
        yield Deviation(f"{prefix}all zero", f"Everything is zero {where}.", kind, parts, on(_zeroed(None)))
        yield Deviation(
            f"{prefix}last element zero", f"The last element is zero {where}.", kind, parts, on(_last_element_zeroed)
        )
        for place in PLACES:
            yield Deviation(
                f"{prefix}{place.name} zero", f"The {place.name}: zero {where}.", kind, parts, on(_zeroed(place))
            )
            if place.name.startswith("first"):
                continue
            beside_first = place.name in ("images after the first", "second image")
            for of_first, whom in (
                ((True, "the first"),) if beside_first else ((True, "the first"), (False, "the one before"))
            ):
                name, sentence = (
                    f"{prefix}{place.name} repeating {whom}",
                    f"The {place.name}: a copy of {whom} {where}.",
                )
                yield Deviation(name, sentence, kind, parts, on(_repeated(place, of_first)))
    name, sentence = (
        "multiplier-major channel order",
        "Output channel m * channels + c instead of c * depth_multiplier + m.",
    )
    yield Deviation(name, sentence, "order", PARTS, _throughout(_multiplier_major))


# The bias.


def _bias(index: Callable[[Program], Index | None], back_only: bool = False) -> Change:
    def apply(program: Program) -> Program | None:
        if not program.config.use_bias:
            return None
        found = index(program)
        if found is None or (found.shape == program.bias.shape and np.array_equal(found, program.bias)):
            return None
        return replace(program, bias=program.bias if back_only else found, bias_back=found)

    return apply


def _bias_along(axis: int) -> Callable[[Program], Index | None]:
    def index(program: Program) -> Index | None:
        shape = program.forward.shape
        if shape[axis] != shape[3]:
            return None
        along = [1, 1, 1, 1]
        along[axis] = shape[3]
        return numbered((shape[3],)).reshape(along)

    return index


def _bias_not_at(place: Place) -> Callable[[Program], Index | None]:
    def index(program: Program) -> Index | None:
        everywhere: Index = np.broadcast_to(program.bias, program.forward.shape)
        return _zeroed(place)(everywhere)

    return index


def _filterwise(program: Program) -> Index:
    outputs = program.forward.shape[3]
    return numbered((outputs,)).reshape(program.config.depth_multiplier, -1).T.reshape(1, 1, 1, outputs)


BIASES: tuple[tuple[str, str, Callable[[Program], Index | None]], ...] = (
    ("along the width", "runs along the width, where that has its size", _bias_along(2)),
    ("along the height", "runs along the height, where that has its size", _bias_along(1)),
    ("along the batch", "runs along the batch, where that has its size", _bias_along(0)),
    (
        "of the first filter for all",
        "of a channel's first filter is that of all its filters",
        lambda p: p.bias // p.config.depth_multiplier * p.config.depth_multiplier,
    ),
    ("of the first channel for all", "of the first output channel is that of all", lambda p: np.zeros_like(p.bias)),
    ("in multiplier-major order", "is read in the order m * channels + c", _filterwise),
)


def _bias_deviations() -> Iterator[Deviation]:
    def changed(**fields: Any) -> Change:
        return lambda program: replace(program, **fields) if program.config.use_bias else None

    yield Deviation("bias missing", "The bias is not added.", "bias", PARTS, _bias(lambda p: np.full_like(p.bias, -1)))
    yield Deviation("bias doubled", "The bias is added twice.", "bias", PARTS, changed(bias_scale=2.0))
    late = changed(bias_late=True)
    yield Deviation(
        "bias after the activation",
        "The bias is added after the activation.",
        "bias",
        PARTS,
        lambda p: late(p) if p.activation is not LINEAR else None,
    )
    for name, sentence, index in BIASES:
        yield Deviation(f"bias {name}", f"The bias {sentence}.", "bias", PARTS, _bias(index))
        yield Deviation(
            f"bias {name} (bias gradient)",
            f"The bias {sentence}. Only in its gradient.",
            "bias gradient",
            ("bias",),
            _bias(index, back_only=True),
        )
    for place in PLACES:
        yield Deviation(
            f"bias: {place.name} without", f"The {place.name}: no bias.", "place", PARTS, _bias(_bias_not_at(place))
        )


# The activation.


def _leaky(slope: float) -> Activation:
    return Activation(
        lambda p: np.where(p > 0, p, slope * p),
        lambda p: np.where(p > 0, 1.0, slope),
        1.0,
        0.0,
        (0.0,),
        lambda p: 4.0 * np.where(p > 0, p, -slope * p),
        constantly(4.0),
    )


def _piecewise_sigmoid(slope: float) -> Activation:
    end = 0.5 / slope
    return Activation(
        lambda p: np.clip(slope * p + 0.5, 0.0, 1.0),
        lambda p: np.where(np.abs(p) < end, slope, 0.0),
        slope,
        0.0,
        (-end, end),
        constantly(8.0),
        constantly(4.0),
    )


def _sigmoid(p: Array) -> Array:
    e = np.exp(-np.abs(p))
    return np.where(p >= 0, 1.0, e) / (1.0 + e)


def _erfc(p: Array) -> Array:
    return np.asarray(np.frompyfunc(math.erfc, 1, 1)(p), np.float64)


ROOT = math.sqrt(2.0 / math.pi)
SINGLE_ROOT = float(np.float32(math.sqrt(0.5)))


def _gelu_tanh_derivative(p: Array) -> Array:
    t = np.tanh(ROOT * (p + 0.044715 * p**3))
    return np.asarray(0.5 * (1.0 + t) + 0.5 * p * (1.0 - t * t) * ROOT * (1.0 + 3 * 0.044715 * p * p))


def _gelu_sigmoid_derivative(p: Array) -> Array:
    s = _sigmoid(1.702 * p)
    return s + 1.702 * p * s * (1.0 - s)


def _gelu_rounding(p: Array) -> Array:
    return 24.0 * np.abs(p)


GELU_TANH = Activation(
    lambda p: 0.5 * p * (1.0 + np.tanh(ROOT * (p + 0.044715 * p**3))),
    _gelu_tanh_derivative,
    1.13,
    0.9,
    (),
    _gelu_rounding,
    SMOOTH,
)
GELU_SIGMOID = Activation(
    lambda p: p * _sigmoid(1.702 * p), _gelu_sigmoid_derivative, 1.2, 1.0, (), _gelu_rounding, SMOOTH
)
GELU_SINGLE = Activation(
    lambda p: 0.5 * p * _erfc(-p * SINGLE_ROOT),
    lambda p: 0.5 * _erfc(-p * SINGLE_ROOT) + p * np.exp(-0.5 * p * p) / math.sqrt(2.0 * math.pi),
    1.13,
    0.8,
    (),
    _gelu_rounding,
    SMOOTH,
)


def _pade(p: Array) -> Array:
    cut = np.clip(p, -3.0, 3.0)
    return np.asarray(cut * (27.0 + cut * cut) / (27.0 + 9.0 * cut * cut))


def _pade_derivative(p: Array) -> Array:
    below = 27.0 + 9.0 * p * p
    return np.where(np.abs(p) < 3.0, (27.0 + 3.0 * p * p) / below - 18.0 * p * p * (27.0 + p * p) / below**2, 0.0)


TANH_PADE = Activation(_pade, _pade_derivative, 1.0, 1.0, (), lambda p: 12.0 * np.abs(_pade(p)), SMOOTH)


def _known(name: str) -> Activation:
    found = ACTIVATIONS[name]
    assert isinstance(found, Activation)
    return found


def _twice(a: Activation) -> Activation:
    return Activation(
        lambda p: a.value(a.value(p)),
        lambda p: a.derivative(a.value(p)) * a.derivative(p),
        a.lipschitz**2,
        a.curvature * (a.lipschitz + a.lipschitz**2),
        a.kinks,
        lambda p: a.lipschitz * a.rounding(p) + a.rounding(a.value(p)),
        lambda p: 3.0 * np.maximum(a.derivative_rounding(p), a.derivative_rounding(a.value(p))),
    )


def _derivative(like: str, derivative: Callable[[Array], Any]) -> Activation:
    return replace(_known(like), derivative=derivative)


INSTEAD: tuple[tuple[str, str, Activation], ...] = (
    *((f"relu leaking by {slope}", "relu", _leaky(slope)) for slope in (0.01, 0.1, 0.2, 0.3)),
    ("relu as relu6", "relu", _known("relu6")),
    ("relu6 as relu", "relu6", _known("relu")),
    ("linear as relu", "linear", _known("relu")),
    ("gelu by tanh", "gelu", GELU_TANH),
    ("gelu by sigmoid", "gelu", GELU_SIGMOID),
    ("gelu with a root in single precision", "gelu", GELU_SINGLE),
    ("sigmoid in three pieces of slope 1/6", "sigmoid", _piecewise_sigmoid(1.0 / 6.0)),
    ("sigmoid in three pieces of slope 0.2", "sigmoid", _piecewise_sigmoid(0.2)),
    ("tanh by a rational function", "tanh", TANH_PADE),
    (
        "softplus linear above 20",
        "softplus",
        replace(_known("softplus"), value=lambda p: np.where(p > 20.0, p, np.logaddexp(p, 0.0))),
    ),
)

DERIVATIVES: tuple[tuple[str, str, Activation], ...] = (
    *((f"derivative of relu leaking by {slope}", "relu", _leaky(slope)) for slope in (0.01, 0.1, 0.2, 0.3)),
    ("derivative of relu as relu6's", "relu", _known("relu6")),
    ("derivative of relu6 as relu's", "relu6", _known("relu")),
    ("derivative of gelu by tanh", "gelu", GELU_TANH),
    ("derivative of gelu by sigmoid", "gelu", GELU_SIGMOID),
    ("derivative of gelu without its density", "gelu", _derivative("gelu", lambda p: 0.5 * _erfc(-p * math.sqrt(0.5)))),
    ("derivative of sigmoid at the sum", "sigmoid", _derivative("sigmoid", lambda p: p * (1.0 - p))),
    ("derivative of tanh at the sum", "tanh", _derivative("tanh", lambda p: 1.0 - p * p)),
)
SOFTMAX_AXES = (
    ("channels", (3,)),
    ("width", (2,)),
    ("height", (1,)),
    ("batch", (0,)),
    ("pixels", (1, 2)),
    ("whole image", (1, 2, 3)),
)


def _applies(program: Program, activation: str) -> bool:
    own = program.config.activation
    return own == activation or (own is None and activation == "linear")


def _activation(replaced: str, activation: Activation, back_only: bool = False) -> Change:
    def apply(program: Program) -> Program | None:
        if not _applies(program, replaced):
            return None
        forward = program.activation if back_only else activation
        return replace(program, activation=forward, backward=activation)

    return apply


def _softmax_over(axes: tuple[int, ...]) -> Change:
    def apply(program: Program) -> Program | None:
        a = Softmax(axes)
        return (
            replace(program, activation=a, backward=a)
            if program.activation not in (a,) and isinstance(program.activation, Softmax)
            else None
        )

    return apply


def _diagonal(program: Program) -> Program | None:
    a = program.backward
    return replace(program, backward=replace(a, diagonal=True)) if isinstance(a, Softmax) else None


def _activation_missing(program: Program) -> Program | None:
    return None if program.activation is LINEAR else replace(program, activation=LINEAR, backward=LINEAR)


def _activated_twice(program: Program) -> Program | None:
    a = program.activation
    if isinstance(a, Softmax) or a is LINEAR or a.is_steep:
        return None
    return replace(program, activation=_twice(a), backward=_twice(a))


def _not_activated_at(place: Place) -> Change:
    def apply(program: Program) -> Program | None:
        region = place.slices(program.forward.shape)
        if region is None or program.activation is LINEAR:
            return None
        activated = np.ones(program.forward.shape, bool)
        activated[place.at(*region)] = False
        return replace(program, activated=activated)

    return apply


def _activation_deviations() -> Iterator[Deviation]:
    def about(name: str, sentence: str, change: Change, parts: tuple[str, ...] = PARTS) -> Deviation:
        return Deviation(name, sentence, "activation" if parts is PARTS else "derivative", parts, change)

    yield about("activation missing", "No activation is applied.", _activation_missing)
    yield about("activation applied twice", "The activation is applied twice.", _activated_twice)
    for name, replaced, activation in INSTEAD:
        yield about(name, f"{name[0].upper()}{name[1:]}.", _activation(replaced, activation))
    for axis, axes in SOFTMAX_AXES:
        yield about(f"softmax over the {axis}", f"softmax normalises over the {axis}.", _softmax_over(axes))
    for place in IMAGES:
        yield about(f"activation: {place.name} without", f"The {place.name}: not activated.", _not_activated_at(place))
    for name, replaced, activation in DERIVATIVES:
        yield about(name, f"The {name}.", _activation(replaced, activation, back_only=True), PARTS[1:])
    name, sentence = (
        "derivative of softmax by its diagonal",
        "The derivative of softmax leaves out what one output does to the others.",
    )
    yield about(name, sentence, _diagonal, PARTS[1:])


# The gradients.


def _share(part: str, share: Callable[[Program], Array | float | None]) -> Change:
    def apply(program: Program) -> Program | None:
        found = share(program)
        back = program.backs[part]
        return (
            None
            if found is None
            else replace(program, backs={**program.backs, part: replace(back, share=back.share * found)})
        )

    return apply


def _left_out(place: Place) -> Callable[[Program], Array | None]:
    def share(program: Program) -> Array | None:
        region = place.slices(program.forward.shape)
        if region is None:
            return None
        kept = np.ones(program.forward.shape)
        kept[place.at(*region)] = 0.0
        return kept

    return share


def _first_filters(program: Program) -> Array | None:
    multiplier = program.config.depth_multiplier
    return None if multiplier == 1 else (np.arange(program.forward.shape[3]) % multiplier == 0) * 1.0


def _over_batch(program: Program) -> float | None:
    batch = program.forward.shape[0]
    return None if batch < 2 else 1.0 / batch


def _over_positions(program: Program) -> float | None:
    count = math.prod(program.forward.shape[:3])
    return None if count < 2 else 1.0 / count


def _unactivated(parts: tuple[str, ...]) -> Change:
    def apply(program: Program) -> Program | None:
        if program.backward is LINEAR:
            return None
        backs = {
            part: replace(back, activated=back.activated and part not in parts) for part, back in program.backs.items()
        }
        return replace(program, backs=backs)

    return apply


def _gradient_deviations() -> Iterator[Deviation]:
    sentence = "The gradients are those of the plain sum of the output."
    yield Deviation("cotangent ignored", sentence, "cotangent", PARTS[1:], lambda p: replace(p, ones=True))
    yield Deviation(
        "gradients without the activation",
        "The gradients ignore the activation.",
        "derivative",
        PARTS[1:],
        _unactivated(PARTS[1:]),
    )
    for part in PARTS[1:]:
        kind = f"{part} gradient"

        def about(name: str, sentence: str, change: Change, part: str = part, kind: str = kind) -> Deviation:
            return Deviation(
                f"{part} gradient {name}", f"The gradient of the {part} {sentence}.", kind, (part,), change
            )

        yield about("without the activation", "ignores the activation", _unactivated((part,)))
        yield about("averaged over the batch", "is divided by the batch", _share(part, _over_batch))
        yield about(
            "averaged over batch and positions", "is divided by the number of windows", _share(part, _over_positions)
        )
        yield about("doubled", "is twice what it should be", _share(part, lambda p: 2.0))
        yield about("halved", "is half what it should be", _share(part, lambda p: 0.5))
        yield about("of the first filter", "comes from each channel's first filter", _share(part, _first_filters))
        for place in PLACES if part != "input" else ():
            yield about(
                f"without the {place.name}",
                f"leaves out the {place.name} of the output",
                _share(part, _left_out(place)),
            )


# The shape of what is returned.


def _returned(change: Callable[[LayerConfig, Array], Array]) -> Change:
    def apply(program: Program) -> Program | None:
        config = program.config
        return replace(program, returned=lambda y: change(config, y))

    return apply


def _other_layout(config: LayerConfig, y: Array) -> Array:
    return y.transpose(0, 3, 1, 2) if config.channels_last else y.transpose(0, 2, 3, 1)


def _filters_apart(config: LayerConfig, y: Array) -> Array:
    axis, multiplier = (3 if config.channels_last else 1), config.depth_multiplier
    return y.reshape(*y.shape[:axis], y.shape[axis] // multiplier, multiplier, *y.shape[axis + 1 :])


def _squeezed(*axes: int) -> Callable[[LayerConfig, Array], Array]:
    """Without these of (batch, height, width, channels), where they are all one."""

    def apply(config: LayerConfig, y: Array) -> Array:
        at = axes if config.channels_last else tuple((0, 2, 3, 1)[axis] for axis in axes)
        return y.squeeze(at) if all(y.shape[axis] == 1 for axis in at) else y

    return apply


RETURNED: tuple[tuple[str, str, Callable[[LayerConfig, Array], Array]], ...] = (
    ("output in the other data format", "comes in the other data format", _other_layout),
    (
        "output's memory in the other data format",
        "has the documented shape and the memory of the other data format",
        lambda c, y: _other_layout(c, y).reshape(y.shape),
    ),
    ("filters in a dimension of their own", "has five dimensions, the filters apart from the channels", _filters_apart),
    ("batch of one dropped", "lacks a batch of one", _squeezed(0)),
    ("single channel dropped", "lacks a single channel", _squeezed(3)),
    ("single pixel dropped", "lacks height and width where they are one", _squeezed(1, 2)),
    ("all ones dropped", "lacks every dimension of one", lambda c, y: y.squeeze()),
)


def _shape_deviations() -> Iterator[Deviation]:
    for name, sentence, change in RETURNED:
        yield Deviation(name, f"The output {sentence}.", "returned", ("output",), _returned(change))


DEVIATIONS: tuple[Deviation, ...] = (
    *_side_deviations(),
    *_map_deviations(),
    *_accuracy_deviations(),
    *_place_deviations(),
    *_bias_deviations(),
    *_activation_deviations(),
    *_gradient_deviations(),
    *_shape_deviations(),
)
BY_NAME = {deviation.name: deviation for deviation in DEVIATIONS}
