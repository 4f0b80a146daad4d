"""Arrays in files: NumPy's `.npy`, of the four formats, checked before anything is read. No link is followed.

NumPy's format has no bfloat16: an array of it is kept as its bits, in uint16 (what `numpy.save` makes of it, two bytes
of no type, is read as well).
"""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from depthwise_conformance.casebook.case import MAX_ELEMENTS
from depthwise_conformance.casebook.recipes import numpy_dtype
from depthwise_conformance.reference import FORMATS
from depthwise_conformance.reports.files import beside

AnyArray = NDArray[Any]
BITS = ("uint16", "void16")  # what an array of bfloat16 may lie in


def read_array(path: Path, dtype: str = "") -> AnyArray:
    """The array of a `.npy` file, which has to be of `dtype` unless that is "".

    Raises ValueError that names the file, what is in it and what is accepted.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("is no plain file")
            shape, fortran, kept = _read_header(file)
            kind = _format(kept, dtype)
            expected = file.tell() + math.prod(shape) * kept.itemsize
            if status.st_size != expected:
                raise ValueError(f"has {status.st_size} bytes, and its header says {expected}")
            numbers = np.fromfile(file, kept, math.prod(shape))
    except OSError as error:
        told = "is a link; accepted is a file" if path.is_symlink() else error.strerror or str(error)
        raise ValueError(f"{path}: {told}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if kept.name == "uint16":
        numbers = numbers.astype(np.uint16)  # of whatever byte order
    numbers = numbers.view(numpy_dtype(kind)) if kind == "bfloat16" else numbers.astype(numpy_dtype(kind))
    return numbers.reshape(shape, order="F" if fortran else "C")


def write_array(path: Path, array: AnyArray) -> None:
    """Writes an array in place of a file; its folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path, "wb") as file:
        npy.write_array(file, array.view(np.uint16) if array.dtype.name == "bfloat16" else array, allow_pickle=False)


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"is of version {version[0]}.{version[1]} of NumPy's format; accepted are 1.0 and 2.0")
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if not 0 <= math.prod(shape) <= MAX_ELEMENTS or any(size < 0 for size in shape):
        raise ValueError(f"has the shape {shape}; accepted are {MAX_ELEMENTS} elements at most")
    return shape, fortran, dtype


def _format(kept: np.dtype[Any], dtype: str) -> str:
    """The format of what is kept in a file. Raises ValueError for any other than is asked for."""
    found = "bfloat16" if kept.name in BITS and dtype in ("", "bfloat16") else kept.name
    accepted = dtype or ", ".join(FORMATS)
    if found not in ([dtype] if dtype else FORMATS) or kept.hasobject:
        bits = " (bfloat16 as its bits, in uint16)" if "bfloat16" in accepted else ""
        raise ValueError(f"is of dtype {kept.name}; accepted is {accepted}{bits}")
    return found
