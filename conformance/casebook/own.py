"""Arrays of a case's own: a tensor that somebody has, in the place of one that a recipe would make.

Each is known by the SHA-256 of its dtype, its shape and its numbers: a case that has one stays small, is equal to any
other with the same content, and named by it.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

AnyArray = NDArray[Any]
ROLES = ("x", "kernel", "bias", "cotangent")


@dataclass(frozen=True)
class OwnArray:
    """An array in its role, one of `ROLES`; `digest` stands for its content in comparisons and hashes."""

    role: str
    digest: str
    array: AnyArray = field(compare=False, repr=False)

    @functools.cached_property
    def is_finite(self) -> bool:
        """Whether it holds neither NaN nor infinities."""
        return bool(np.isfinite(self.array).all())


def own_arrays(arrays: Mapping[str, AnyArray]) -> tuple[OwnArray, ...]:
    """The arrays by their roles, as `Data` takes them: in C order, and not to be written to."""
    return tuple(_own(role, arrays[role]) for role in ROLES if role in arrays)


def digest(array: AnyArray) -> str:
    """The hash of an array's content: of its dtype, its shape, and its numbers in C order, little-endian."""
    numbers = np.ascontiguousarray(array)
    text = f"{numbers.dtype.name} {'x'.join(map(str, array.shape))}\n"
    little = numbers.astype(numbers.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(text.encode() + little.tobytes()).hexdigest()


def _own(role: str, array: AnyArray) -> OwnArray:
    kept = np.ascontiguousarray(array).reshape(array.shape).view()
    kept.flags.writeable = False
    return OwnArray(role, digest(kept), kept)
