"""`new`: what it writes works, is judged, and lets a planted bug be found."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import run

from depthwise_conformance.running import cli
from depthwise_conformance.running.commands.new import KINDS, TEMPLATES

SHORT = ("--examples", "20", "--check", "output", "--check", "shape", "--check", "dtype", "--check", "purity")
LINES = {".py": 40, ".c": 150, ".mjs": 150}
NEEDED = {"torch": ["torch"], "jax": ["jax"], "triton": ["triton", "torch"], "numba": ["numba"]}


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(kind: str, name: str = "my-kernel") -> int:
    return cli.main(["new", "--kind", kind, name])


def judge(folder: Path, capsys: pytest.CaptureFixture[str]) -> subprocess.CompletedProcess[str]:
    """Does what `new` says: builds what is to be built, and runs the last command, shortly."""
    *building, last = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    for line in building:
        if line.startswith("cc "):
            subprocess.run([*shlex.split(line), "-Wall", "-Wextra", "-Werror"], check=True)
        else:
            command, *words = shlex.split(line)
            assert (command, cli.main(words)) == ("depthwise-conformance", 0)
            capsys.readouterr()
    words = shlex.split(last)
    assert words[:2] == ["depthwise-conformance", "run"]
    return run(folder, *words[2:], *SHORT, "--out", "out")


def skip_unless_there(kind: str) -> None:
    for program in KINDS[kind].programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    for package in NEEDED.get(kind, []):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def plant(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("kind", ["numpy", "torch", "jax", "numba", "ctypes", "javascript", "c"])
def test_what_is_written_works_as_it_is(kind, in_a_folder, capsys):
    skip_unless_there(kind)
    assert write(kind) == 0
    done = judge(in_a_folder, capsys)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "my-kernel@cpu" in done.stdout
    declined = re.search(r"cases declined +(\d+)", done.stdout)
    assert declined and declined[1] == "0", "its claims say all that it is asked"


def onnx_model(path: Path, last: bool = False, clip: float = 6.0, convolutions: int = 1) -> None:
    onnx = pytest.importorskip("onnx")
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    numbers = np.random.default_rng(0).standard_normal
    constants = {"w": numbers((6, 1, 3, 3)), "b": numbers(6), "low": np.array(0), "high": np.array(clip)}
    attributes = {"group": 3, "strides": [2, 2], "pads": [0, 0, 1, 1]}
    steps = [("Transpose", [], {"perm": [0, 3, 1, 2]})] if last else []
    steps += [("Conv", ["w", "b"], attributes)] * convolutions
    steps += [("Clip", ["low", "high"], {})]
    steps += [("Transpose", [], {"perm": [0, 2, 3, 1]})] if last else []
    names = ["image", *(f"t{number}" for number in range(1, len(steps))), "y"]
    nodes = [
        helper.make_node(operator, [names[number], *others], [names[number + 1]], **given)
        for number, (operator, others, given) in enumerate(steps)
    ]
    shape = ["n", "h", "w", 3] if last else ["n", 3, "h", "w"]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("y", kind, None)],
        [array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


@pytest.mark.parametrize("last", [False, True], ids=["channels_first", "channels_last"])
def test_an_onnx_file_claims_its_own_configuration(in_a_folder, capsys, last):
    pytest.importorskip("onnxruntime")
    onnx_model(in_a_folder / "my-layer.onnx", last)
    assert write("onnx-file", "my-layer.onnx") == 0
    assert (in_a_folder / "my_layer.py").is_file()
    done = judge(in_a_folder, capsys)
    assert done.returncode == 0, done.stdout + done.stderr
    claimed = (in_a_folder / "out" / "run.json").read_text()
    for word in ("kernel_size == (3, 3)", "strides == (2, 2)", "depth_multiplier == 2", "channels == 3", "relu6"):
        assert word in claimed
    assert ("channels_last" if last else "channels_first") in claimed
    assert "zeros_above == 0 and zeros_below == 1" in claimed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"convolutions": 2}, "has the operators Conv, Conv, Clip; accepted are one Conv"),
        ({"clip": 5.0}, "has a Clip whose bounds are not 0 and 6"),
    ],
    ids=["two layers", "another clip"],
)
def test_an_onnx_file_that_is_no_such_layer_is_told(in_a_folder, capsys, change, told):
    pytest.importorskip("onnxruntime")
    onnx_model(in_a_folder / "layer.onnx", **change)
    assert write("onnx-file", "layer.onnx") == 0
    done = judge(in_a_folder, capsys)
    assert done.returncode == 2
    assert told in done.stderr


def test_a_tflite_file_claims_its_own_configuration(in_a_folder, capsys):
    if importlib.util.find_spec("tensorflow") is None or importlib.util.find_spec("keras") is None:
        pytest.skip("tensorflow and keras, which make the file, are not installed")
    make = (
        "import keras, sys, tensorflow\n"
        "x = keras.Input((9, 8, 3))\n"
        "layer = keras.layers.DepthwiseConv2D(3, 2, 'same', 2, activation='relu6', bias_initializer='normal')\n"
        "model = tensorflow.lite.TFLiteConverter.from_keras_model(keras.Model(x, layer(x))).convert()\n"
        "open(sys.argv[1], 'wb').write(model)\n"
    )
    made = subprocess.run([sys.executable, "-c", make, "layer.tflite"], capture_output=True, text=True, timeout=240)
    assert made.returncode == 0, made.stderr
    assert write("tflite-file", "layer.tflite") == 0
    done = judge(in_a_folder, capsys)
    assert done.returncode == 0, done.stdout + done.stderr
    claimed = (in_a_folder / "out" / "run.json").read_text()
    for word in ("kernel_size == (3, 3)", "strides == (2, 2)", "input_height == 9", "channels == 3", "relu6"):
        assert word in claimed


@pytest.mark.parametrize(
    ("kind", "file", "old", "new"),
    [
        ("javascript", "my_kernel.mjs", "Math.floor(zeros / 2)", "Math.ceil(zeros / 2)"),
        ("javascript", "my_kernel.mjs", "column < out[1]", "column < (out[1] & ~3)"),
        ("c", "my_kernel.c", "zeros / 2 : 0", "zeros - zeros / 2 : 0"),
        ("c", "my_kernel.c", "o < outputs; o++", "o < (outputs > 4 ? outputs & ~3 : outputs); o++"),
        ("ctypes", "my_kernel.c", "w >= 0 && w < width", "w >= 0 && w < width - 1"),
        (
            "torch",
            "my_kernel.py",
            "conv2d(x, weight,",
            "conv2d(x, globals().setdefault(weight.data_ptr(), weight.clone()),",
        ),
        ("torch", "my_kernel.py", "out.copy_(", "out[:, :-1].copy_("),
    ],
    ids=["javascript-pads", "javascript-tail", "c-pads", "c-tail", "ctypes-edge", "torch-cache", "torch-unwritten"],
)
def test_a_planted_bug_is_found(kind, file, old, new, in_a_folder, capsys):
    skip_unless_there(kind)
    assert write(kind) == 0
    plant(in_a_folder / file, old, new)
    if kind == "torch" and "[:, :-1]" in new:
        plant(in_a_folder / file, "x.shape[1]))", "x.shape[1])[:, :-1])")
    *building, last = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    for line in building:
        if line.startswith("cc "):
            subprocess.run(shlex.split(line), check=True)
    done = run(in_a_folder, *shlex.split(last)[2:], "--fast", "--check", "output", "--out", "out")
    assert done.returncode == 1, done.stdout + done.stderr


@pytest.mark.parametrize("kind", sorted({"triton", "numba", "torch", "jax"}))
def test_a_missing_package_is_told(kind, in_a_folder, capsys):
    """By `new`, and by the run that needs it."""
    missing = [package for package in NEEDED[kind] if importlib.util.find_spec(package) is None]
    if not missing:
        pytest.skip(f"{', '.join(NEEDED[kind])} is installed")
    assert write(kind) == 0
    assert f"pip install {missing[0]}" in capsys.readouterr().out
    done = run(in_a_folder, "--adapter", "my_kernel.py:MyKernel", *SHORT, "--out", "out")
    assert done.returncode == 2
    assert f"No module named '{missing[0]}'" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_templates_are_short_and_sound(kind, in_a_folder, capsys):
    model = in_a_folder / f"layer{KINDS[kind].model}"
    if KINDS[kind].model:
        model.touch()
    assert write(kind, model.name if KINDS[kind].model else "my-kernel") == 0
    written = [Path(line.removeprefix("wrote ")) for line in capsys.readouterr().out.splitlines() if "wrote" in line]
    assert [path.suffix for path in written] == list(KINDS[kind].suffixes)
    for path in written:
        text = path.read_text()
        assert len(text.splitlines()) <= LINES[path.suffix]
        assert "{{" not in text
        assert all(len(line) <= 120 for line in text.splitlines())
        if path.suffix == ".py":
            compile(text, str(path), "exec")
            ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,W", "--line-length", "120"]
            assert subprocess.run([*ruff, str(path)], capture_output=True, text=True).returncode == 0


def test_every_template_belongs_to_a_kind():
    wanted = {f"{kind}{suffix}.template" for kind, found in KINDS.items() for suffix in found.suffixes}
    assert {path.name for path in TEMPLATES.iterdir()} == wanted


@pytest.mark.parametrize("kind", ["numpy", "ctypes", "c"])
def test_nothing_is_written_over(kind, in_a_folder, capsys):
    precious = in_a_folder / ("my_kernel.c" if kind == "ctypes" else f"my_kernel{KINDS[kind].suffixes[0]}")
    precious.write_text("precious")
    assert write(kind) == 2
    assert "exists already" in capsys.readouterr().err
    assert [path.name for path in in_a_folder.iterdir()] == [precious.name]
    assert precious.read_text() == "precious"


def test_a_dangling_link_is_no_free_name(in_a_folder, capsys):
    (in_a_folder / "my_kernel.py").symlink_to(in_a_folder / "elsewhere.py")
    assert write("numpy") == 2
    assert not (in_a_folder / "elsewhere.py").exists()


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("numpy", "3x3", "name '3x3': accepted are letters"),
        ("numpy", "größe", "name 'größe': accepted are letters"),
        ("onnx-file", "layer", "'layer': accepted is a .onnx file that exists"),
        ("onnx-file", "layer.onnx", "'layer.onnx': accepted is a .onnx file that exists"),
        ("tflite-file", "layer.onnx", "'layer.onnx': accepted is a .tflite file that exists"),
        ("numpy", "no/such/folder/my-kernel", "No such file or directory"),
    ],
)
def test_a_mistake_is_told(capsys, kind, name, told):
    assert write(kind, name) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("name", ["kernels/my-kernel", "kernels/my_kernel.py"])
def test_a_name_may_have_a_folder_and_a_suffix(in_a_folder, capsys, name):
    (in_a_folder / "kernels").mkdir()
    assert write("numpy", name) == 0
    assert "run --adapter kernels/my_kernel.py:MyKernel" in capsys.readouterr().out
    assert (in_a_folder / "kernels" / "my_kernel.py").is_file()
