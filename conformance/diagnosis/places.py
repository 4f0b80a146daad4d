"""Where a target is wrong: the plain name of a place that holds all the wrong elements of every failing case."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reference.activations import FLAT, OVER_LAST_AXIS

Mask = NDArray[np.bool_]

PARTS: Mapping[str, tuple[str, ...]] = {  # the axes of each part's array, with the channels last
    "output": ("batch element", "row", "column", "channel"),
    "input": ("batch element", "row", "column", "channel"),
    "kernel": ("row", "column", "channel", "filter"),
    "bias": ("channel",),
}
LIMITS = (4, 8, 16, 32)  # sizes after which vector units, blocks and tables end
TAILS = (4, 8, 16)
FULL = 0.5  # of a place that must be wrong for it to be named
EVERYWHERE = 0.8  # of all elements that must be wrong for "all"
PROPER = 2  # observations in which the place must not be everything
SURPRISE = 12.0  # bits: how unlikely it must be that elements wrong by chance all lie in the place
SMALLER = 0.75  # what a place in two words must be of one in a single word


@dataclass(frozen=True)
class Observation:
    """Which elements of a failing case's array are wrong.

    `part` is "output", "input", "kernel" or "bias"; `wrong` is laid out as the configuration says.
    """

    config: LayerConfig
    part: str
    wrong: Mask


def place(observations: Sequence[Observation]) -> str:
    """The most specific place that holds every wrong element and is mostly wrong: "all", or "" if it cannot be told."""
    seen = [(observation, _channels_last(observation)) for observation in observations if _is_local(observation)]
    if not seen:
        return ""
    wrongs = [wrong for _, wrong in seen]
    named = [_places(observation, wrong) for observation, wrong in seen]
    holding = {
        name: masks
        for name in named[0]
        if (masks := _everywhere(name, named)) and all(_holds(m, w) for m, w in zip(masks, wrongs, strict=True))
    }
    single = _best(holding, wrongs)
    crossed = {
        f"{one} of the {other}": [a & b for a, b in zip(holding[one], holding[other], strict=True)]
        for other, one in itertools.combinations(holding, 2)
        if _words(one).isdisjoint(_words(other))
    }
    double = _best(crossed, wrongs)
    if double and (not single or _size(crossed[double], wrongs) <= SMALLER * _size(holding[single], wrongs)):
        return double
    uncut = [wrong for observation, wrong in seen if observation.config.activation not in FLAT]
    return single or _all(uncut)


def _is_local(observation: Observation) -> bool:
    """Whether something is wrong, and only where it went wrong: some activations spread an error over the last axis."""
    return bool(observation.wrong.any()) and observation.config.activation not in OVER_LAST_AXIS


def _words(name: str) -> set[str]:
    """The axes that the name of a place speaks of."""
    words = {word for word in ("batch element", "row", "column", "channel", "filter") if word in name}
    return words or {"row", "column"}


def _everywhere(name: str, named: Sequence[Mapping[str, Mask]]) -> list[Mask]:
    """The place's mask in each observation, or none where an observation has no such place."""
    return [masks[name] for masks in named] if all(name in masks for masks in named) else []


def _holds(mask: Mask, wrong: Mask) -> bool:
    return not (wrong & ~mask).any()


def _best(places: Mapping[str, Sequence[Mask]], wrongs: Sequence[Mask]) -> str:
    """The smallest place that is mostly wrong and in which the wrong elements do not lie by chance, or ""."""
    told = [name for name, masks in places.items() if _tells(masks, wrongs)]
    return min(told, key=lambda name: _size(places[name], wrongs), default="")


def _tells(masks: Sequence[Mask], wrongs: Sequence[Mask]) -> bool:
    proper = [(_spread(m, w), w) for m, w in zip(masks, wrongs, strict=True) if not m.all()]
    size, wrong = sum(int(m.sum()) for m, _ in proper), sum(int(w.sum()) for _, w in proper)
    surprise = sum(int(w.sum()) * math.log2(m.size / m.sum()) for m, w in proper)
    return len(proper) >= PROPER and wrong >= FULL * size and surprise >= SURPRISE


def _size(masks: Sequence[Mask], wrongs: Sequence[Mask]) -> int:
    return sum(int(_spread(mask, wrong).sum()) for mask, wrong in zip(masks, wrongs, strict=True))


def _spread(mask: Mask, wrong: Mask) -> Mask:
    return np.broadcast_to(mask, wrong.shape)


def _all(wrongs: Sequence[Mask]) -> str:
    large = [wrong for wrong in wrongs if wrong.size >= 4]
    shares = [float(wrong.mean()) for wrong in large]
    everywhere = sum(int(wrong.sum()) for wrong in large) >= EVERYWHERE * sum(wrong.size for wrong in large)
    return "all" if len(large) >= PROPER and everywhere and min(shares) >= FULL else ""


def _channels_last(observation: Observation) -> Mask:
    wrong = np.asarray(observation.wrong, np.bool_)
    if observation.part in ("output", "input") and not observation.config.channels_last:
        return wrong.transpose(0, 2, 3, 1)
    return wrong


def _places(observation: Observation, wrong: Mask) -> dict[str, Mask]:
    """The places of an array with its channels last, plainest first, as masks that broadcast to it."""
    axes = PARTS[observation.part]
    found: dict[str, Mask] = {}
    for axis, word in enumerate(axes):
        shape = [1] * len(axes)
        shape[axis] = wrong.shape[axis]
        found |= {name: mask.reshape(shape) for name, mask in _along(word, wrong.shape[axis])}
    if observation.part in ("output", "bias"):
        filters = np.arange(wrong.shape[-1]) % observation.config.depth_multiplier
        found |= {"first filter of each channel": filters == 0, "filters after the first of each channel": filters > 0}
    if "row" in axes:
        found |= _on_both(found["first row"], found["last row"], found["first column"], found["last column"])
    if observation.part == "kernel":
        rows, columns = (np.asarray(np.abs(np.arange(size) - (size - 1) / 2) < 1) for size in wrong.shape[:2])
        found["centre"] = (rows[:, None] & columns)[:, :, None, None]
    for axis, word in enumerate(axes):
        others = tuple(other for other in range(len(axes)) if other != axis)
        hit: Mask = np.asarray(wrong.any(axis=others, keepdims=True))
        if hit.sum() == 1:
            found[f"one {word}"] = hit
    return found


def _along(word: str, size: int) -> Iterator[tuple[str, Mask]]:
    """The places along one axis."""
    index = np.arange(size)
    yield f"first {word}", index == 0
    yield f"last {word}", index == size - 1
    yield f"second {word}", index == 1
    yield f"{word}s after the first", index > 0
    yield f"{word}s before the last", index < size - 1
    yield f"{word}s after the second", index > 1
    yield f"odd {word}s", index % 2 == 1
    yield f"even {word}s", index % 2 == 0
    for limit in TAILS:
        yield f"tail of the {word}s beyond a multiple of {limit}", index >= size // limit * limit
    for limit in LIMITS:
        yield f"{word}s after {limit}", index >= limit


def _on_both(top: Mask, bottom: Mask, left: Mask, right: Mask) -> dict[str, Mask]:
    """The places that rows and columns make together."""
    rows, columns = top | bottom, left | right
    return {
        "first and last row": rows,
        "first and last column": columns,
        "corners": rows & columns,
        "first row and column": top | left,
        "last row and column": bottom | right,
        "borders": rows | columns,
        "interior": ~(rows | columns),
    }
