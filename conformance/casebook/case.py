"""A case: what is asked of every target. Immutable, JSON both ways, named by a hash of its content."""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import math
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from depthwise_conformance.casebook.own import ROLES, AnyArray, OwnArray, own_arrays
from depthwise_conformance.reference import LayerConfig, kernel_shape, output_shape, split_shape
from depthwise_conformance.reference.geometry import spatial_axes

SCHEMA = 1
HOMES = {  # what of a Keras configuration file a home folder has, in words
    "": "",
    "none": "no ~/.keras/keras.json",
    "channels_last": "channels_last in ~/.keras/keras.json",
    "channels_first": "channels_first in ~/.keras/keras.json",
    "no_key": "an empty object in ~/.keras/keras.json",
    "other_keys": "other keys alone in ~/.keras/keras.json",
    "broken": "a ~/.keras/keras.json that is not JSON",
    "wrong_type": "a number for image_data_format in ~/.keras/keras.json",
    "unreadable": "a ~/.keras/keras.json that cannot be read",
    "keras_home": "channels_first in a keras.json in the folder KERAS_HOME",
}
STEPS = (
    *("build", "weights", "assign", "call", "loss", "gradients", "step", "fit", "attributes", "config"),
    *("recreate", "reload", "compute_output_shape", "symbolic_shape"),
)
STRIDED_DILATION = "strides > 1 with dilation_rate > 1"  # what the documentation refuses by name
MAX_ELEMENTS = 1 << 27  # of a case file's largest array: a gibibyte in float64
NAME_AT_MOST = 500  # characters
ARGUMENTS_AT_MOST = 1 << 16  # characters: with them and its steps, a request has to go into a frame
STEPS_AT_MOST = 100
DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
UNKNOWN = tuple(some for count in range(4) for some in itertools.combinations(range(3), count))
Find = Callable[[str, str], AnyArray]  # an array of a case file, by its digest and the case's dtype


@dataclass(frozen=True)
class Data:
    """How the arrays are made: a named recipe of `casebook.recipes` and its seed, but for those of the case's own."""

    recipe: str = "integers"
    seed: int = 0
    arrays: tuple[OwnArray, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The data as plain JSON values, arrays by their digests."""
        own = {"arrays": {one.role: one.digest for one in self.arrays}} if self.arrays else {}
        return {"recipe": self.recipe, "seed": self.seed, **own}


@dataclass(frozen=True)
class Case:
    """A layer and an input for it, on which every check but `errors` is judged.

    `name` is what its layer is called where it comes from, and no part of what the case is. Raises ValueError when the
    input does not suit the layer, or an array of its own has not the shape and dtype that its role asks for.
    """

    config: LayerConfig
    input_shape: tuple[int, int, int, int]
    data: Data = Data()
    name: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        output_shape(self.config, self.input_shape)
        for one in self.data.arrays:
            self._check(one.role, one.array)

    def __hash__(self) -> int:
        return self._hash

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_hash"}  # of this process alone

    @property
    def dtype(self) -> str:
        """The layer's dtype, which its arrays have too."""
        return self.config.dtype

    @property
    def channels(self) -> int:
        """The number of input channels."""
        return split_shape(self.config, self.input_shape)[3]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of its arrays by role; a case has a bias only where the layer has."""
        return {
            "x": self.input_shape,
            "kernel": kernel_shape(self.config, self.channels),
            "bias": (self.channels * self.config.depth_multiplier,),
            "cotangent": output_shape(self.config, self.input_shape),
        }

    @functools.cached_property
    def id(self) -> str:
        """A hash of the content: the same id means the same arrays on any machine and in any release."""
        return _identify({name: value for name, value in self.to_json().items() if name != "name"})

    def to_json(self) -> dict[str, Any]:
        """The case as plain JSON values; `case_from_json` reads them."""
        return {
            "schema": SCHEMA,
            "arguments": self.config.to_json(),
            "input_shape": list(self.input_shape),
            "data": self.data.to_json(),
            **({"name": self.name} if self.name else {}),
        }

    @functools.cached_property
    def _hash(self) -> int:
        return hash((self.config, self.input_shape, self.data))  # asked for more often than a case is made

    def _check(self, role: str, array: AnyArray) -> None:
        if role == "bias" and not self.config.use_bias:
            raise ValueError("bias: accepted is none, since use_bias is false")
        if array.dtype.name != self.dtype:
            told = f"{role} is of dtype {array.dtype.name}, and the layer of {self.dtype}"
            raise ValueError(f'{told}: accepted is one dtype; convert it, or say "dtype" among the arguments')
        if array.shape != self.shapes[role]:
            raise ValueError(f"{role} is of shape {array.shape}: accepted is {self.shapes[role]}")


@dataclass(frozen=True)
class Refusal:
    """What the layer has to refuse, at the latest in the last of `steps` on `input_shape`.

    `arguments` is JSON text; `wrong` says in words what is wrong with them; `documented` is the class of exception that
    the documentation promises, or "" where it only says what is accepted and any exception will do.
    """

    arguments: str
    input_shape: tuple[int | None, ...]
    documented: str = ""
    wrong: str = ""
    steps: tuple[str, ...] = ("build", "call")

    check = "errors"
    dtype = "float32"
    data = Data("zeros")

    @functools.cached_property
    def id(self) -> str:
        """A hash of the content: the same id means the same arrays on any machine and in any release."""
        return _identify(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The case as plain JSON values; `case_from_json` reads them."""
        refused: dict[str, Any] = {"documented": self.documented}
        refused |= {"wrong": self.wrong} if self.wrong else {}
        refused |= {"steps": list(self.steps)} if self.steps != Refusal.steps else {}
        return {
            "schema": SCHEMA,
            "arguments": json.loads(self.arguments),
            "input_shape": list(self.input_shape),
            "refused": refused,
        }


@dataclass(frozen=True)
class LayerCase:
    """A whole layer, used in `steps` (those of `docs/protocol.md`), as one of the layer's checks asks.

    `arguments` and `positional` are JSON texts of what the constructor gets; `about` names the argument that the case
    is for, "" where it is for all of them. `home` says which Keras configuration file there is, by a name of `HOMES`;
    "" where the case does not depend on it.
    """

    check: str
    arguments: str
    input_shape: tuple[int, int, int, int]
    steps: tuple[str, ...]
    about: str = ""
    data: Data = Data()
    positional: str = "[]"
    home: str = ""

    @property
    def dtype(self) -> str:
        """The dtype or the policy asked for."""
        return str(json.loads(self.arguments).get("dtype", "float32"))

    @functools.cached_property
    def id(self) -> str:
        """A hash of the content: the same id means the same arrays on any machine and in any release."""
        return _identify(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """The case as plain JSON values; `case_from_json` reads them."""
        layer = {"check": self.check, "about": self.about, "steps": list(self.steps), "home": self.home}
        return {
            "schema": SCHEMA,
            "arguments": json.loads(self.arguments),
            "input_shape": list(self.input_shape),
            "data": self.data.to_json(),
            "layer": {**layer, "positional": json.loads(self.positional)},
        }


WholeLayer = Refusal | LayerCase
AnyCase = Case | WholeLayer


def partly_unknown(config: LayerConfig, input_shape: tuple[int, ...]) -> tuple[tuple[int | None, ...], ...]:
    """The shape with every choice of its batch, height and width unknown, first with none."""
    axes = (0, 1, 2) if config.channels_last else (0, 2, 3)
    hidden = [{axes[place] for place in some} for some in UNKNOWN]
    return tuple(tuple(None if axis in some else n for axis, n in enumerate(input_shape)) for some in hidden)


def case_from_json(value: object, find: Find | None = None) -> AnyCase:
    """Reads a case file's content: data only, whoever wrote it. Raises ValueError that says what is wrong.

    `find` gets arrays of the case's own, by digest and dtype; without it, a case that has any is refused.
    """
    try:
        return _read(value, find)
    except RecursionError:
        raise ValueError("a case must not be nested as deeply as this one") from None


def _read(value: object, find: Find | None) -> AnyCase:
    entries = _mapping(value, "a case", {"schema", "arguments", "input_shape", "data", "refused", "layer", "name"})
    schema = entries.get("schema")
    if type(schema) is not int or schema != SCHEMA:
        raise ValueError(f"schema={reprlib.repr(schema)}: accepted is {SCHEMA}")
    arguments = _mapping(entries.get("arguments"), "arguments", None)
    if len(canonical(arguments)) > ARGUMENTS_AT_MOST:
        raise ValueError(f"arguments are too long; accepted are {ARGUMENTS_AT_MOST} characters of JSON")
    if "name" in entries and ("refused" in entries or "layer" in entries):
        raise ValueError("a case has 'name' and 'refused' or 'layer'; accepted is one of them")
    if "refused" in entries:
        return _read_refusal(entries, arguments)
    shape = _shape(entries.get("input_shape"))
    if len(shape) != 4:
        raise ValueError(f"input_shape={list(shape)!r}: accepted are 4 integers")
    sizes = (shape[0], shape[1], shape[2], shape[3])
    if "layer" in entries:
        return _read_layer(entries, arguments, sizes)
    for name, given in arguments.items():
        if not isinstance(given, bool | int | str | list | None):
            accepted = "integers, lists of them, text, true, false and null"
            raise ValueError(f"{name}={reprlib.repr(given)}: accepted are {accepted}")
    data, own = _data(entries.get("data"))
    case = Case(LayerConfig.from_json(arguments), sizes, data, _name(entries))
    check_size(case)
    return replace(case, data=replace(data, arrays=_found(own, case.dtype, find))) if own else case


def _read_refusal(entries: Mapping[str, Any], arguments: Mapping[str, Any]) -> Refusal:
    if "data" in entries or "layer" in entries:
        raise ValueError("a case has 'refused' and 'data' or 'layer'; accepted is one of them")
    refused = _mapping(entries["refused"], "refused", {"wrong", "documented", "steps"})
    shape = entries.get("input_shape")
    if not isinstance(shape, list) or not all(size is None or type(size) is int for size in shape):
        raise ValueError(f"input_shape={reprlib.repr(shape)}: accepted is a list of integers and null")
    _limit("input_shape", math.prod(size for size in shape if size is not None))
    wrong, documented = _text("refused.wrong", refused), _text("refused.documented", refused)
    steps = _steps("refused", refused) if "steps" in refused else Refusal.steps
    return Refusal(canonical(arguments), tuple(shape), documented, wrong, steps)


def _read_layer(
    entries: Mapping[str, Any], arguments: Mapping[str, Any], shape: tuple[int, int, int, int]
) -> LayerCase:
    layer = _mapping(entries["layer"], "layer", {"check", "about", "steps", "home", "positional"})
    positional = layer.get("positional", [])
    if not isinstance(positional, list):
        raise ValueError(f"layer.positional={reprlib.repr(positional)}: accepted is a list of arguments")
    home = _text("layer.home", layer)
    if home not in HOMES:
        raise ValueError(f"layer.home={home!r}: accepted are {', '.join(map(repr, HOMES))}")
    _limit("input_shape", math.prod(shape))
    data, own = _data(entries.get("data"))
    if own:
        raise ValueError("data.arrays: accepted are none for a whole layer, which makes its own weights")
    return LayerCase(
        check=_text("layer.check", layer),
        arguments=canonical(arguments),
        input_shape=shape,
        steps=_steps("layer", layer),
        about=_text("layer.about", layer),
        data=data,
        positional=canonical(positional),
        home=home,
    )


def _shape(shape: object) -> tuple[int, ...]:
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise ValueError(f"input_shape={reprlib.repr(shape)}: accepted is a list of integers")
    return tuple(shape)


def _text(name: str, entries: Mapping[str, Any]) -> str:
    found = entries.get(name.rpartition(".")[2], "")
    if not isinstance(found, str):
        raise ValueError(f"{name}={reprlib.repr(found)}: accepted is text")
    return found


def _steps(name: str, entries: Mapping[str, Any]) -> tuple[str, ...]:
    found = entries.get("steps", [])
    if not isinstance(found, list) or any(step not in STEPS for step in found):
        raise ValueError(f"{name}.steps={reprlib.repr(found)}: accepted is a list of {', '.join(STEPS)}")
    if len(found) > STEPS_AT_MOST:
        raise ValueError(f"{name}.steps are {len(found)}: accepted are {STEPS_AT_MOST} at most")
    return tuple(found)


def _elements(case: Case) -> int:
    """The size of the largest array that a case's calls may come to, its padded input included."""
    batch, height, width, channels = split_shape(case.config, case.input_shape)
    rows, columns = spatial_axes(case.config, height, width)
    padded = [axis.before + axis.input + axis.after for axis in (rows, columns)]
    results = output_shape(case.config, case.input_shape), kernel_shape(case.config, channels)
    sizes = (math.prod(padded) * max(batch, 1) * channels, *map(math.prod, results))
    return max(*sizes, *case.config.strides, *case.config.dilation_rate)


def canonical(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _data(value: object) -> tuple[Data, Mapping[str, str]]:
    """The recipe, and the digests of the case's own arrays by role."""
    entries = _mapping(value, "data", {"recipe", "seed", "arrays"})
    recipe, seed = entries.get("recipe"), entries.get("seed")
    if not isinstance(recipe, str) or type(seed) is not int or not 0 <= seed < 2**64:
        raise ValueError(f"data={reprlib.repr(value)}: accepted are a recipe's name and a seed of 0 to 2**64 - 1")
    own = _mapping(entries.get("arrays", {}), "data.arrays", set(ROLES))
    for role, digest in own.items():
        if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
            raise ValueError(f"data.arrays.{role}={reprlib.repr(digest)}: accepted is a SHA-256 in 64 small hex digits")
    return Data(recipe, seed), own


def _found(own: Mapping[str, str], dtype: str, find: Find | None) -> tuple[OwnArray, ...]:
    if find is None:
        raise ValueError("data.arrays: accepted only in a case file, beside which the arrays lie")
    found = own_arrays({role: find(digest, dtype) for role, digest in own.items()})
    for one in found:
        if one.digest != own[one.role]:
            raise ValueError(f"{one.role} is not the array that the case names: its SHA-256 is {one.digest}")
    return found


def _name(entries: Mapping[str, Any]) -> str:
    name = _text("name", entries)
    if len(name) > NAME_AT_MOST:
        raise ValueError(f"name={reprlib.repr(name)}: accepted are {NAME_AT_MOST} characters at most")
    return name


def _mapping(value: object, name: str, accepted: set[str] | None) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be a JSON object, not {reprlib.repr(value)}")
    if accepted is not None and (unknown := sorted(set(value) - accepted)):
        raise ValueError(f"{name} has unknown entries {reprlib.repr(unknown)}; accepted are {sorted(accepted)}")
    return value


def check_size(case: Case, most: int = MAX_ELEMENTS) -> None:
    """Raises ValueError where the largest array that a case's calls may come to is too large."""
    _limit("a case", _elements(case), most)


def _limit(name: str, elements: int, most: int = MAX_ELEMENTS) -> None:
    if not abs(elements) <= most:
        raise ValueError(f"{name} has too many elements; accepted are {most}")


def _identify(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]
