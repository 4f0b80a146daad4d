"""The frames that parent and worker exchange: data only, nothing is ever unpickled. See docs/protocol.md.

A frame is a prefix (magic, header length, payload length, little-endian), a JSON header and a payload of raw
arrays. The header's "arrays" gives the name, dtype, shape and offset of each; numbers are little-endian, in C order.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depthwise_conformance.casebook.recipes import format_name, numpy_dtype

VERSION = 1
MAGIC = b"DWC1"
PREFIX = struct.Struct("<4sIQ")
MAX_HEADER = 1 << 22
MAX_PAYLOAD = 1 << 32
ALIGNMENT = 64
JOINED = 1 << 16  # a small frame is written at once: system calls cost more than the copy
FLOATS = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128")
DTYPES = frozenset(("bool", *FLOATS, *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))))

AnyArray = NDArray[Any]


class ProtocolError(Exception):
    """The other side sent what is not a frame."""


@dataclass(frozen=True)
class Message:
    """One frame: a JSON header whose "type" says what it is, and named arrays."""

    header: Mapping[str, Any]
    arrays: Mapping[str, AnyArray] = field(default_factory=dict)


def encode(message: Message) -> list[bytes | memoryview]:
    """The frame as pieces to be written in turn. Raises ValueError for what frames do not carry."""
    entries: list[dict[str, Any]] = []
    pieces: list[bytes | memoryview] = []
    offset = 0
    for name, array in message.arrays.items():
        flat = _plain(array)
        entries.append({"name": name, "dtype": format_name(flat.dtype), "shape": list(array.shape), "offset": offset})
        pieces.append(flat.reshape(-1).view(np.uint8).data)
        padding = -flat.nbytes % ALIGNMENT
        pieces.append(bytes(padding))
        offset += flat.nbytes + padding
    header = json.dumps({**message.header, "arrays": entries}).encode()
    if len(header) > MAX_HEADER:
        raise ValueError(f"a header of {len(header)} bytes cannot be sent; accepted are {MAX_HEADER}")
    frame = [PREFIX.pack(MAGIC, len(header), offset) + header, *(piece for piece in pieces if len(piece))]
    return [b"".join(frame)] if offset < JOINED else frame


def frame_sizes(prefix: bytes | bytearray) -> tuple[int, int]:
    """Header and payload length. Raises ProtocolError."""
    start = bytes(prefix[: PREFIX.size])
    magic, header, payload = PREFIX.unpack(start) if len(start) == PREFIX.size else (b"", 0, 0)
    if magic != MAGIC or header > MAX_HEADER or payload > MAX_PAYLOAD:
        raise ProtocolError(f"not a frame: it begins with {start!r}")
    return header, payload


def decode(header: bytes | bytearray | memoryview, payload: bytes | bytearray | memoryview) -> Message:
    """The message of a frame; its arrays are fresh, writable and aligned. Raises ProtocolError."""
    try:
        values = json.loads(bytes(header))
        arrays, left = {}, len(payload)
        for entry in values.pop("arrays"):
            arrays[entry["name"]] = array = _read(entry, payload, left)
            left -= array.nbytes
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ProtocolError(f"malformed frame: {error}") from error
    if not isinstance(values.get("type"), str):
        raise ProtocolError("malformed frame: no type")
    return Message(values, arrays)


def _plain(array: AnyArray) -> AnyArray:
    if format_name(array.dtype) not in DTYPES:
        raise ValueError(f"arrays of dtype {array.dtype} cannot be sent; accepted are {', '.join(sorted(DTYPES))}")
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def _read(entry: Mapping[str, Any], payload: bytes | bytearray | memoryview, left: int) -> AnyArray:
    """An array of the payload, of which so many bytes belong to no other."""
    name, shape, offset = entry["dtype"], tuple(entry["shape"]), entry["offset"]
    sizes_are_sound = all(type(size) is int and size >= 0 for size in (*shape, offset))
    if type(entry["name"]) is not str or name not in DTYPES or not sizes_are_sound:
        raise ValueError(f"array entry {entry!r}")
    dtype = numpy_dtype(name)
    if offset + math.prod(shape) * dtype.itemsize > len(payload):  # before memory is taken for it
        raise ValueError(f"array entry {entry!r} goes beyond the payload of {len(payload)} bytes")
    if math.prod(shape) * dtype.itemsize > left:
        raise ValueError(f"array entry {entry!r} shares its bytes with others")
    array: AnyArray = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[:] = np.frombuffer(payload, np.uint8, array.nbytes, offset)
    return array
