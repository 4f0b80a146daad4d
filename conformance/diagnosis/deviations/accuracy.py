"""What is multiplied: arguments in a narrower format, quantised, or twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np

from depthwise_conformance.diagnosis.deviations.deviation import Change, Deviation, MapChange, of_map, throughout
from depthwise_conformance.diagnosis.program import PARTS, Array, Map, Program
from depthwise_conformance.reference import LayerConfig


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


def accuracy_deviations() -> Iterator[Deviation]:
    """What is multiplied."""
    for name, narrow in NARROW:
        sentence = f"What is multiplied is rounded to {name} first."
        yield from of_map(f"{name} inputs", sentence, "accuracy", _rounded_inputs(narrow))
        weights = throughout(_rounded_weights(narrow))
        yield Deviation(f"{name} weights", f"The kernel is rounded to {name}.", "accuracy", PARTS, weights)
        yield Deviation(f"{name} bias", f"The bias is rounded to {name}.", "accuracy", PARTS, _rounded_bias(narrow))
    sentence = "The kernel is quantised to eight bits by its largest weight."
    yield Deviation("eight-bit weights", sentence, "accuracy", PARTS, throughout(_quantised))
    yield from of_map("sums doubled", "The sums are twice what they should be.", "sums", _doubled)
