"""`docs/api.md` is made of the docstrings of what users write against; `python tests/test_api.py` writes it anew."""

from __future__ import annotations

import enum
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import depthwise_conformance

PAGE = Path(__file__).parents[1] / "docs" / "api.md"
FRONT = "depthwise_conformance"
MODULES = (FRONT, f"{FRONT}.reports", f"{FRONT}.reference", f"{FRONT}.adapters.translate")
INTRODUCTION = """# The interface

What users write against, from its docstrings (`python tests/test_api.py` writes this page anew).
"""


def public(module: Any) -> dict[str, Any]:
    """The names that a module exports or, where it lists none, defines."""
    names = getattr(module, "__all__", None) or [
        name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
    ]
    return {name: getattr(module, name) for name in names if not name.startswith("_")}


def is_documented(value: Any) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


def signature(name: str, value: Any) -> str:
    if inspect.isclass(value) and issubclass(value, enum.Enum | Exception):
        return name
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(value)))
    text = re.sub(r"<factory>|<object object at 0x[0-9a-f]+>", "...", text)
    return f"{name}{text.removesuffix(' -> None') if inspect.isclass(value) else text}"


def members(value: type) -> Iterator[tuple[str, Any]]:
    """The methods and properties that a class itself defines, in their order."""
    for name, member in vars(value).items():
        if name.startswith("_") and name != "__call__":
            continue
        found = getattr(member, "__func__", None) or getattr(member, "func", None) or getattr(member, "fget", member)
        if inspect.isfunction(found):
            yield name, found


def described(name: str, value: Any) -> Iterator[str]:
    yield f"### {name}\n\n```python\n{signature(name, value)}\n```\n\n{inspect.getdoc(value)}\n"
    if not inspect.isclass(value):
        return
    if issubclass(value, enum.Enum):
        yield "Values: " + ", ".join(f"`{member.value}`" for member in value) + ".\n"
    else:
        for method, function in members(value):
            yield f"- `{signature(method, function)}`: {' '.join((inspect.getdoc(function) or '').split())}\n"


def render() -> str:
    parts = [INTRODUCTION]
    for name in MODULES:
        module = importlib.import_module(name)
        parts.append(f"## `{name}`\n\n{inspect.getdoc(module)}\n")
        for one, value in public(module).items():
            if is_documented(value):
                parts += described(one, value)
    return "\n".join(parts)


def test_the_page_is_current():
    assert PAGE.read_text("utf-8") == render()


def test_every_public_name_has_a_docstring_of_its_own():
    for name in MODULES:
        found = {one: v for one, v in public(importlib.import_module(name)).items() if is_documented(v)}
        assert found
        for one, value in found.items():
            generated = inspect.isclass(value) and (value.__doc__ or "").startswith(f"{one}(")  # by dataclass
            assert value.__doc__ and not generated, f"{name}.{one}"


def test_the_front_door_is_complete():
    assert set(depthwise_conformance.__all__) == set(depthwise_conformance._HOMES)
    assert set(depthwise_conformance.__all__) <= set(dir(depthwise_conformance))
    for name in depthwise_conformance.__all__:
        assert getattr(depthwise_conformance, name).__name__ == name


def test_importing_the_package_imports_next_to_nothing():
    """Counted in modules, not in seconds: no framework, not even NumPy, until a name is asked for."""
    look = "import sys; import depthwise_conformance; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert [name for name in loaded if name.startswith("depthwise_conformance.")] == []
    assert {"numpy", "pandas", "pytest", "keras", "torch", "jax", "tensorflow"}.isdisjoint(loaded)


def test_an_adapters_author_imports_no_framework():
    look = "import sys; from depthwise_conformance import Adapter, LayerConfig, read_runs; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert {"pandas", "pytest", "hypothesis", "keras", "torch", "jax", "tensorflow"}.isdisjoint(done.stdout.split())


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
