"""How an initializer, a regularizer or a constraint is given: None, a name, its class and configuration, a function."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

T = TypeVar("T")


def snake_case(name: str) -> str:
    """`GlorotUniform` as `glorot_uniform`, as Keras spells names."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def registry(*classes: Callable[..., T]) -> dict[str, Callable[..., T]]:
    """The names that Keras accepts: a class's own, and the same in snake case."""
    return {spelling: cls for cls in classes for spelling in (cls.__name__, snake_case(cls.__name__))}


def resolve(
    argument: str, given: Any, known: Mapping[str, Callable[..., T]], base: type, wrap: Callable[[Any], T]
) -> T | None:
    """The object of class `base` that an argument means; None for None.

    Accepted are a name, `{"class_name": ..., "config": {...}}`, such an object, and a function (which `wrap` makes
    one). Raises ValueError for everything else, naming what is accepted.
    """
    if given is None or isinstance(given, base):
        return cast("T | None", given)
    if isinstance(given, str) and given in known:
        return known[given]()
    if isinstance(given, dict) and isinstance(cls := known.get(given.get("class_name", "")), type):
        return cast(T, _configured(argument, cls, given.get("config", {})))
    if callable(given):
        return wrap(given)
    raise ValueError(
        f"{argument}={given!r}: accepted are None, a function, one of {', '.join(sorted(known))}, "
        "and {'class_name': one of them, 'config': its arguments}"
    )


def serialize(value: Any) -> dict[str, Any] | None:
    """The class and configuration of an object, as `resolve` reads them. Raises ValueError for a function."""
    if value is None:
        return None
    config = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
    if given := [entry for entry in config.values() if callable(entry)]:
        raise ValueError(f"{given[0]!r} is a function, which has no configuration")
    return {"class_name": type(value).__name__, "config": config}


def _configured(argument: str, cls: Any, config: Mapping[str, Any]) -> Any:
    accepted = {field.name for field in fields(cls) if field.init}
    if unknown := sorted(set(config) - accepted):
        raise ValueError(f"{argument}: {cls.__name__} has no {unknown}; accepted are {sorted(accepted)}")
    return cls(**config)
