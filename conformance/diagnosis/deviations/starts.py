"""Where the first window starts by a formula that is next to the documented one: the zeros in all may be as many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from depthwise_conformance.diagnosis.deviations.deviation import Deviation, in_gradient
from depthwise_conformance.diagnosis.deviations.windows import (
    ON,
    SideChange,
    along,
    before,
    documented,
    half_of,
    of_sides,
    on_sides,
)
from depthwise_conformance.diagnosis.program import Side
from depthwise_conformance.reference.geometry import effective_extent


def _zeros(s: Side, windows: int = 0, stride: int = 0, dilation: int = 0) -> int:
    """The zeros that so many more windows would take, at a larger stride or dilation."""
    extent = effective_extent(s.kernel, max(s.dilation + dilation, 1))
    return (s.output + windows - 1) * max(s.stride + stride, 1) + extent - s.size


STARTS: tuple[tuple[str, str, SideChange], ...] = (
    (
        "of half the extent",
        "half the kernel's extent, rounded down, comes before.",
        before(lambda s, o: effective_extent(s.kernel, s.dilation) // 2),
    ),
    (
        "of the taps before the middle",
        "(kernel - 1) // 2 * dilation zeros come before.",
        before(lambda s, o: (s.kernel - 1) // 2 * s.dilation),
    ),
    (
        "of the undilated taps before the middle",
        "(kernel - 1) // 2 zeros come before.",
        before(lambda s, o: (s.kernel - 1) // 2),
    ),
    (
        "with an even zero behind",
        "one zero of an even number that should come before comes after.",
        before(lambda s, o: max(documented(s) - 1, 0) // 2),
    ),
    (
        "with an even zero before",
        "one zero of an even number that should come after comes before.",
        before(lambda s, o: documented(s) // 2 + (documented(s) % 2 == 0 and documented(s) > 0)),
    ),
    (
        "for kernel * dilation",
        "zeros are counted for an extent of kernel * dilation.",
        half_of(lambda s, o: _zeros(s) + s.dilation - 1),
    ),
    (
        "for kernel * dilation with the odd zero before",
        "zeros are counted for an extent of kernel * dilation, the extra one of an odd number before.",
        before(lambda s, o: max(_zeros(s) + s.dilation, 0) // 2),
    ),
    (
        "for kernel * dilation without the remainder",
        "(kernel * dilation - stride) // 2 zeros come before.",
        half_of(lambda s, o: s.kernel * s.dilation - s.stride),
    ),
    (
        "for kernel * dilation without the remainder with the odd zero before",
        "(kernel * dilation - stride + 1) // 2 zeros come before.",
        half_of(lambda s, o: s.kernel * s.dilation - s.stride + 1),
    ),
    (
        "without the remainder with the odd zero before",
        "zeros are counted as if the stride divided the size, the extra one of an odd number before.",
        half_of(lambda s, o: effective_extent(s.kernel, s.dilation) - s.stride + 1),
    ),
    (
        "of half of kernel * dilation",
        "kernel * dilation // 2 zeros come before.",
        before(lambda s, o: s.kernel * s.dilation // 2),
    ),
    (
        "of half of kernel * dilation less one",
        "(kernel * dilation - 1) // 2 zeros come before.",
        before(lambda s, o: (s.kernel * s.dilation - 1) // 2),
    ),
    ("for one window less", "zeros are counted for one window less.", half_of(lambda s, o: _zeros(s, windows=-1))),
    ("for one window more", "zeros are counted for one window more.", half_of(lambda s, o: _zeros(s, windows=1))),
    (
        "for size // stride windows",
        "zeros are counted for size // stride windows.",
        half_of(lambda s, o: _zeros(s, windows=s.size // s.stride - s.output)),
    ),
    (
        "for one window more than size // stride",
        "zeros are counted for one window more than size // stride.",
        half_of(lambda s, o: _zeros(s, windows=s.size // s.stride + 1 - s.output)),
    ),
    ("for the stride less one", "zeros are counted for a stride less one.", half_of(lambda s, o: _zeros(s, stride=-1))),
    (
        "for the next stride",
        "zeros are counted for the next stride, where it is above one.",
        half_of(lambda s, o: _zeros(s, stride=int(s.stride > 1))),
    ),
    (
        "for the dilation less one",
        "zeros are counted for a dilation less one.",
        half_of(lambda s, o: _zeros(s, dilation=-1)),
    ),
    (
        "for the next dilation",
        "zeros are counted for the next dilation, where it is above one.",
        half_of(lambda s, o: _zeros(s, dilation=int(s.dilation > 1))),
    ),
)


def _starting(start: Callable[[Side], int]) -> SideChange:
    return lambda s, other, same: replace(s, before=start(s))


# A gradient of the input is often a convolution of its own, that begins extent - 1 - before.
BACK: tuple[tuple[str, str, SideChange], ...] = (
    (
        "from the other end",
        "begins as far before the cotangent as the output does before the input.",
        _starting(lambda s: effective_extent(s.kernel, s.dilation) - 1 - s.before),
    ),
    (
        "from the end of the undilated kernel",
        "begins where it would for a kernel without dilation.",
        _starting(lambda s: s.before + effective_extent(s.kernel, s.dilation) - s.kernel),
    ),
    (
        "a stride late",
        "begins one position less than a stride before its place.",
        _starting(lambda s: s.before + s.stride - 1),
    ),
    (
        "a stride early",
        "begins one position less than a stride behind its place.",
        _starting(lambda s: s.before - s.stride + 1),
    ),
    (
        "from the zeros times the stride",
        "counts the zeros before in steps of the stride.",
        _starting(lambda s: s.before * s.stride),
    ),
)


def start_deviations() -> Iterator[Deviation]:
    """Where the first window starts."""
    for name, sentence, change in STARTS:
        yield from of_sides(along(f"same padding {name}"), f'padding="same": {sentence}', "start", change)
    for part in ("input", "kernel"):
        for name, sentence, change in BACK:
            told = f"The gradient of the {part} {sentence}"
            for whole, (where, axes) in zip(along(f"{part} gradient {name}"), ON.items(), strict=True):
                alone = in_gradient(part, on_sides(change, axes))
                yield Deviation(whole, f"{told}{where}", f"{part} gradient", (part,), alone)
