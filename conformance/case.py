"""A case: what is asked of every target. Immutable, JSON both ways, named by a hash of its content."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from depthwise_conformance.reference import LayerConfig, output_shape, split_shape

SCHEMA = 1


@dataclass(frozen=True)
class Data:
    """How the arrays are made: a named recipe of `conformance.data` and its seed."""

    recipe: str = "integers"
    seed: int = 0


@dataclass(frozen=True)
class Case:
    """A layer and an input for it, on which every check but `errors` is judged.

    Raises ValueError when the input does not suit the layer.
    """

    config: LayerConfig
    input_shape: tuple[int, int, int, int]
    data: Data = Data()

    def __post_init__(self) -> None:
        output_shape(self.config, self.input_shape)

    @property
    def dtype(self) -> str:
        """The layer's dtype, which its arrays have too."""
        return self.config.dtype

    @property
    def channels(self) -> int:
        """The number of input channels."""
        return split_shape(self.config, self.input_shape)[3]

    @functools.cached_property
    def id(self) -> str:
        """A hash of the content: the same id means the same arrays on any machine and in any release."""
        return _identify(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The case as plain JSON values; `case_from_json` reads them."""
        return {
            "schema": SCHEMA,
            "arguments": self.config.to_json(),
            "input_shape": list(self.input_shape),
            "data": {"recipe": self.data.recipe, "seed": self.data.seed},
        }


@dataclass(frozen=True)
class Refusal:
    """Constructor arguments that the layer has to refuse, at the latest when it is called on `input_shape`.

    `arguments` is JSON text; `documented` is the class of exception that the documentation promises, or "" where
    it only says what is accepted and any exception will do.
    """

    arguments: str
    input_shape: tuple[int, ...]
    documented: str = ""

    dtype = "float32"
    data = Data("zeros")

    @functools.cached_property
    def id(self) -> str:
        """A hash of the content: the same id means the same arrays on any machine and in any release."""
        return _identify(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The case as plain JSON values; `case_from_json` reads them."""
        return {
            "schema": SCHEMA,
            "arguments": json.loads(self.arguments),
            "input_shape": list(self.input_shape),
            "refused": {"documented": self.documented},
        }


AnyCase = Case | Refusal


def case_from_json(value: object) -> AnyCase:
    """Reads a case file's content: data only, whoever wrote it. Raises ValueError that says what is wrong."""
    entries = _mapping(value, "a case", {"schema", "arguments", "input_shape", "data", "refused"})
    if entries.get("schema") != SCHEMA:
        raise ValueError(f"schema={entries.get('schema')!r}: accepted is {SCHEMA}")
    shape = entries.get("input_shape")
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise ValueError(f"input_shape={shape!r}: accepted is a list of integers")
    arguments = _mapping(entries.get("arguments"), "arguments", None)
    if "refused" in entries:
        documented = _mapping(entries["refused"], "refused", {"documented"}).get("documented", "")
        if not isinstance(documented, str):
            raise ValueError(f"refused.documented={documented!r}: accepted is the name of an exception class or ''")
        return Refusal(canonical(arguments), tuple(shape), documented)
    if len(shape) != 4:
        raise ValueError(f"input_shape={shape!r}: accepted are 4 integers")
    return Case(LayerConfig.from_json(arguments), (shape[0], shape[1], shape[2], shape[3]), _data(entries.get("data")))


def canonical(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _data(value: object) -> Data:
    entries = _mapping(value, "data", {"recipe", "seed"})
    recipe, seed = entries.get("recipe"), entries.get("seed")
    if not isinstance(recipe, str) or type(seed) is not int or not 0 <= seed < 2**64:
        raise ValueError(f"data={value!r}: accepted are a recipe's name and a seed of 0 to 2**64 - 1")
    return Data(recipe, seed)


def _mapping(value: object, name: str, accepted: set[str] | None) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a JSON object, not {value!r}")
    if accepted is not None and (unknown := sorted(set(value) - accepted)):
        raise ValueError(f"{name} has unknown entries {unknown}; accepted are {sorted(accepted)}")
    return value


def _identify(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]
