"""`new`: writes an adapter or a worker to begin with, which works, and says how it is judged."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from depthwise_conformance.running.usage import UsageError

TEMPLATES = files("depthwise_conformance.running") / "templates"
PLACEHOLDER = re.compile(r"\{\{ (\w+) \}\}")
COMMAND = "depthwise-conformance"


@dataclass(frozen=True)
class Kind:
    """What is written for a kind: a file for each suffix, of the template `<kind><suffix>.template`.

    It needs `packages` of Python or `programs`; `build` and `worker` are commands, with the names in braces. `model` is
    the suffix of the file that it is written for.
    """

    suffixes: tuple[str, ...] = (".py",)
    packages: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    build: str = ""
    worker: str = ""
    model: str = ""


KINDS: Mapping[str, Kind] = {
    "numpy": Kind(),
    "torch": Kind(packages=("torch",)),
    "jax": Kind(packages=("jax",)),
    "triton": Kind(packages=("triton", "torch")),
    "ctypes": Kind((".py", ".c"), programs=("cc",), build="cc -O2 -shared -fPIC -o {base}.so {base}.c"),
    "numba": Kind(packages=("numba",)),
    "onnx-file": Kind(packages=("onnx", "onnxruntime"), model=".onnx"),
    "tflite-file": Kind(packages=("ai_edge_litert|tensorflow",), model=".tflite"),
    "javascript": Kind((".mjs",), programs=("node",), worker="node {base}.mjs"),
    "c": Kind((".c",), programs=("cc",), build="cc -O2 -o {base} {base}.c", worker="{run}"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is written, and for what."""
    parser.add_argument("--kind", required=True, choices=tuple(KINDS), help="what your kernel is")
    parser.add_argument("name", metavar="NAME|FILE", help="its name, or the .onnx or .tflite file that is the layer")


def run(options: argparse.Namespace) -> int:
    """Writes the files, none of them over another, and prints what to do next."""
    kind = KINDS[options.kind]
    base, name = _base(kind, options.name), Path(options.name).name
    words = {"name": Path(name).stem if kind.model else name, "model": name, "stem": base.name}
    words["class_name"] = "".join(part.capitalize() for part in base.name.split("_") if part)
    texts = {}
    for suffix in kind.suffixes:
        path = base.with_name(base.name + suffix)
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} exists already, and nothing is written over; give another name, or move it away")
        template = (TEMPLATES / f"{options.kind}{suffix}.template").read_text(encoding="utf-8")
        found = {**words, "file": str(path)}
        texts[path] = PLACEHOLDER.sub(lambda match, found=found: found[match[1]], template)  # type: ignore[misc]
    for path, text in texts.items():
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        print(f"wrote {path}")
    for line in _next(kind, base, words["class_name"]):
        print(line)
    return 0


def _base(kind: Kind, given: str) -> Path:
    """The path of the files to be written, without a suffix, whose name is one of Python's."""
    path = Path(given)
    if kind.model and (path.suffix != kind.model or not path.is_file()):
        raise UsageError(f"{given!r}: accepted is a {kind.model} file that exists")
    stem = re.sub(r"\W", "_", path.stem if path.suffix in (*kind.suffixes, kind.model) else path.name).strip("_")
    if not stem.isidentifier() or not stem.isascii():
        raise UsageError(f"name {given!r}: accepted are letters, digits, - and _, a letter first")
    return path.with_name(stem)


def _next(kind: Kind, base: Path, class_name: str) -> Iterator[str]:
    needed = [f"pip install {one.partition('|')[0].replace('_', '-')}" for one in kind.packages if not _is_found(one)]
    needed += [f"install {program}" for program in kind.programs if shutil.which(program) is None]
    if needed:
        yield f"What it needs is not all here: {'; '.join(needed)}"
    yield "It works as it is." if kind.model else "It works as it is: put your kernel where it says so, and its claims."
    names = {"base": shlex.quote(str(base)), "run": shlex.quote(f"./{base}" if base == Path(base.name) else str(base))}
    if kind.build:
        yield f"  {kind.build.format(**names)}"
    if kind.worker:
        worker = shlex.quote(kind.worker.format(**names))
        yield f"  {COMMAND} check-worker {worker}"
        yield f"  {COMMAND} run --worker {worker}"
    else:
        yield f"  {COMMAND} run --adapter {names['base']}.py:{class_name}"


def _is_found(package: str) -> bool:
    return any(find_spec(one) is not None for one in package.split("|"))
