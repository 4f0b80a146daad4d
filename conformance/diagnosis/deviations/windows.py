"""Where windows lie: strides, dilation, padding, borders, and how many there are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from depthwise_conformance.diagnosis.deviations.deviation import Deviation, MapChange, of_map
from depthwise_conformance.diagnosis.program import Map, Side, side
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reference.geometry import effective_extent

SideChange = Callable[[Side, Side, bool], Side | None]


def on_sides(change: SideChange, axes: tuple[int, ...]) -> MapChange:
    """The change of these axes: 0 the height, 1 the width."""

    def apply(m: Map, config: LayerConfig) -> Map | None:
        sides = m.rows, m.columns
        same = config.padding == "same"
        changed = [change(sides[i], sides[1 - i], same) if i in axes else None for i in (0, 1)]
        return replace(m, rows=changed[0] or m.rows, columns=changed[1] or m.columns)

    return apply


def of_sides(names: Sequence[str], sentence: str, kind: str, change: SideChange) -> Iterator[Deviation]:
    """The change of both axes and of either; in one gradient alone too, unless it resizes the output."""
    for name, (where, axes) in zip(names, ON.items(), strict=True):
        found = of_map(name, f"{sentence}{where}", kind, on_sides(change, axes))
        yield from itertools.islice(found, 1) if kind == "size" else found


ON = {"": (0, 1), " Along the height.": (0,), " Along the width.": (1,)}


def along(name: str) -> tuple[str, str, str]:
    """The names of a change of both axes, of the height and of the width."""
    return name, f"{name} along the height", f"{name} along the width"


def same_zeros(size: int, kernel: int, stride: int, dilation: int) -> int:
    """The documented number of zeros of padding="same", negative where windows leave gaps."""
    return (-(-size // stride) - 1) * stride + effective_extent(kernel, dilation) - size


def before(count: Callable[[Side, Side], int]) -> SideChange:
    """padding="same" with so many zeros before."""
    return lambda s, other, same: replace(s, before=count(s, other)) if same else None


def half_of(total: Callable[[Side, Side], int]) -> SideChange:
    """padding="same" with half of so many zeros before, rounded down."""
    return before(lambda s, other: max(total(s, other), 0) // 2)


def documented(s: Side) -> int:
    """The documented number of zeros of padding="same"."""
    return max(same_zeros(s.size, s.kernel, s.stride, s.dilation), 0)


def rebuilt(arguments: Callable[[Side, Side], dict[str, int]]) -> SideChange:
    """The documented geometry of other arguments."""

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


def _counted_with_other_side(s: Side, other: Side, same: bool) -> Side:
    counted = side(s.size, other.kernel, s.stride, s.dilation, "same" if same else "valid")
    return replace(counted, kernel=s.kernel)


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


def window_deviations() -> Iterator[Deviation]:
    """Where windows lie, and how many there are."""
    for what, both, kind in (("stride", "strides", "size"), ("dilation", "dilation", "argument")):
        yield from _argument_deviations(what, both, kind)
    at_most: SideChange = _windows(lambda s, o: {"stride": min(s.stride, s.kernel)})
    sentence = "A stride larger than the kernel is taken for the kernel's size where the input is read."
    yield from of_sides(along("stride at most the kernel"), sentence, "windows", at_most)
    for name, sentence, change in SAME_PADDING:
        yield from of_sides(along(f"same padding {name}"), f'padding="same": {sentence}', "padding", change)
    for border, does in BORDERS.items():
        sentence = f'padding="same": {does} instead of adding zeros.'
        yield from of_sides(along(f"{border} padding"), sentence, "border", _border(border))
    for name, when, shift in (("early", "before", 1), ("late", "after", -1)):
        shifted: SideChange = _windows(lambda s, o, shift=shift: {"before": s.before + shift})  # type: ignore[misc]
        sentence = f"Every window begins one position {when} its place."
        yield from of_sides(along(f"one position {name}"), sentence, "shift", shifted)
    for name, sentence, change in SIZES:
        yield from of_sides(along(name), sentence, "size", change)


def _argument_deviations(what: str, both: str, kind: str) -> Iterator[Deviation]:
    def one(s: Side, other: Side) -> dict[str, int]:
        return {what: 1}

    def others(s: Side, other: Side) -> dict[str, int]:
        return {what: getattr(other, what)}

    swapped = f"{both} swapped", f"{what} of the width along the height", f"{what} of the height along the width"
    in_windows = tuple(f"{name} in the windows" for name in swapped)
    only = "where the input is read; sizes and padding are right."
    follow = "; sizes and padding follow."
    yield from of_sides(along(f"{what} ignored"), f"The {what} is taken for 1{follow}", kind, rebuilt(one))
    yield from of_sides(swapped, f"An axis has the other's {what}{follow}", kind, rebuilt(others))
    name = f"{what} ignored in the windows"
    yield from of_sides(along(name), f"The {what} is taken for 1 {only}", "windows", _windows(one))
    yield from of_sides(in_windows, f"An axis has the other's {what} {only}", "windows", _windows(others))


SAME_PADDING: tuple[tuple[str, str, SideChange], ...] = (
    (
        "with the odd zero before",
        "the extra one of an odd number of zeros comes before.",
        before(lambda s, o: (documented(s) + 1) // 2),
    ),
    ("all before", "all zeros come before.", before(lambda s, o: documented(s))),
    ("all after", "all zeros come after.", before(lambda s, o: 0)),
    (
        "as for stride one",
        "zeros are counted as if the stride were 1.",
        half_of(lambda s, o: same_zeros(s.size, s.kernel, 1, s.dilation)),
    ),
    (
        "without the dilation",
        "zeros are counted for the kernel without its dilation.",
        half_of(lambda s, o: same_zeros(s.size, s.kernel, s.stride, 1)),
    ),
    (
        "without the remainder",
        "zeros are counted as if the stride divided the size.",
        half_of(lambda s, o: effective_extent(s.kernel, s.dilation) - s.stride),
    ),
    (
        "of the other kernel side",
        "zeros are counted with the kernel's other side.",
        half_of(lambda s, o: same_zeros(s.size, o.kernel, s.stride, s.dilation)),
    ),
    (
        "of the other stride",
        "zeros are counted with the other axis's stride.",
        half_of(lambda s, o: same_zeros(s.size, s.kernel, o.stride, s.dilation)),
    ),
    (
        "of the other dilation",
        "zeros are counted with the other axis's dilation.",
        half_of(lambda s, o: same_zeros(s.size, s.kernel, s.stride, o.dilation)),
    ),
    (
        "of the other size",
        "zeros are counted with the input's other size.",
        half_of(lambda s, o: same_zeros(o.size, s.kernel, s.stride, s.dilation)),
    ),
    (
        "of half the kernel",
        "kernel // 2 * dilation zeros come before.",
        before(lambda s, o: s.kernel // 2 * s.dilation),
    ),
    (
        "of half the dilated kernel",
        "kernel // 2 * dilation zeros come before where the kernel is even and the dilation above 1.",
        before(lambda s, o: s.kernel // 2 * s.dilation if s.dilation > 1 and s.kernel % 2 == 0 else s.before),
    ),
    ("of half the undilated kernel", "kernel // 2 zeros come before.", before(lambda s, o: s.kernel // 2)),
    (
        "below zero",
        "a negative number of zeros cuts the input.",
        before(lambda s, o: int(same_zeros(s.size, s.kernel, s.stride, s.dilation) / 2)),
    ),
    (
        "below the size",
        "never more zeros come before than the size less one.",
        before(lambda s, o: min(s.before, s.size - 1)),
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
    (
        "size of the kernel's other side",
        "There are as many windows as for the kernel's other side; padding follows.",
        _counted_with_other_side,
    ),
    ("one window more", "One window more than there are.", _resized(lambda s: s.output + 1, "")),
    ("one window less", "One window less than there are.", _resized(lambda s: s.output - 1, "")),
)
