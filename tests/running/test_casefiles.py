"""Case files with arrays beside them: a run's, named by their content, and a person's, under plain names."""

from __future__ import annotations

import json
import os

import ml_dtypes
import numpy as np
import pytest
from command_line import FLIPPED, HONEST

from depthwise_conformance.casebook.case import MAX_ELEMENTS, Case, Data
from depthwise_conformance.casebook.own import own_arrays
from depthwise_conformance.casebook.recipes import make_arrays
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.folders import clear
from depthwise_conformance.running import cli
from depthwise_conformance.running.casefiles import read_cases, write_case
from depthwise_conformance.running.usage import UsageError

ASYMMETRIC = np.array([[1, 2], [3, 5]], np.float32).reshape(2, 2, 1, 1)
X = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)


def case_in(dtype: str) -> Case:
    """A case whose every array is its own."""
    config = LayerConfig((2, 3), depth_multiplier=2, dtype=dtype)
    bare = Case(config, (2, 4, 5, 3), Data("normal", 3))
    made = make_arrays(bare)
    arrays = {"x": made.x, "kernel": made.kernel, "bias": made.bias, "cotangent": made.cotangent}
    return Case(config, bare.input_shape, Data("normal", 4, own_arrays(arrays)), "mine")


@pytest.fixture
def folder(tmp_path):
    """A person's: a kernel and an input, and what the layer is."""
    made = tmp_path / "my_layer"
    made.mkdir()
    (made / "case.json").write_text('{"arguments": {"kernel_size": 2}}')
    np.save(made / "x.npy", X)
    np.save(made / "kernel.npy", ASYMMETRIC)
    return made


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_a_case_survives_its_file_with_its_arrays(tmp_path, dtype):
    case = case_in(dtype)
    (again,) = read_cases(str(write_case(tmp_path / "cases", case)), tmp_path)
    assert (again, again.id, again.name) == (case, case.id, "mine")
    for ours, theirs in zip(case.data.arrays, again.data.arrays, strict=True):
        assert (ours.array.dtype, ours.array.tobytes()) == (theirs.array.dtype, theirs.array.tobytes())
    assert {path.stem for path in (tmp_path / "cases/arrays").iterdir()} == {one.digest for one in case.data.arrays}


def test_arrays_of_an_earlier_run_are_removed_with_its_cases(tmp_path):
    write_case(tmp_path / "cases", case_in("float32"))
    (tmp_path / "cases/arrays/mine.npy").touch()
    clear(tmp_path)
    assert [path.name for path in (tmp_path / "cases").rglob("*.*")] == ["mine.npy"]


def test_a_persons_folder_needs_no_more_than_the_arguments(folder):
    (case,) = read_cases(str(folder), folder)
    assert (case.name, case.input_shape, case.data.recipe) == ("my_layer", (1, 4, 4, 1), "normal")
    made = make_arrays(case)
    assert np.array_equal(made.x, X)
    assert np.array_equal(made.kernel, ASYMMETRIC)


def test_a_persons_folder_may_say_the_rest_itself(folder):
    (folder / "x.npy").unlink()
    said = {"schema": 1, "arguments": {"kernel_size": 2}, "input_shape": [2, 3, 3, 1]}
    (folder / "case.json").write_text(json.dumps({**said, "name": "dw", "data": {"recipe": "zeros", "seed": 5}}))
    (case,) = read_cases(str(folder), folder)
    assert (case.name, case.input_shape, case.data.recipe, case.data.seed) == ("dw", (2, 3, 3, 1), "zeros", 5)


@pytest.mark.parametrize("kept", [ASYMMETRIC.astype(ml_dtypes.bfloat16), np.asfortranarray(ASYMMETRIC, ">f4")])
def test_arrays_are_read_as_numpy_saves_them(folder, kept):
    arguments = {"kernel_size": 2, "dtype": kept.dtype.name}
    (folder / "case.json").write_text(json.dumps({"arguments": arguments, "input_shape": [1, 4, 4, 1]}))
    (folder / "x.npy").unlink()
    np.save(folder / "kernel.npy", kept)
    (case,) = read_cases(str(folder), folder)
    assert np.array_equal(make_arrays(case).kernel, ASYMMETRIC.astype(make_arrays(case).kernel.dtype))


def test_replay_takes_a_persons_folder_and_judges_its_numbers(folder, capsys):
    (folder / "case.json").write_text('{"arguments": {"kernel_size": 2, "use_bias": false}}')
    assert cli.main(["replay", str(folder), "--adapter", HONEST, "--check", "output"]) == 0
    assert "my_layer: DepthwiseConv2D(kernel_size=(2, 2), use_bias=False)" in capsys.readouterr().out
    assert cli.main(["replay", str(folder), "--adapter", FLIPPED, "--check", "output"]) == 1
    told = capsys.readouterr().out
    assert "data normal/0, x, kernel of its own" in told
    assert " 39 " in told  # 0 * 1 + 1 * 2 + 4 * 3 + 5 * 5


def header(shape: str, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


SAVED = header("(2, 2, 1, 1)") + ASYMMETRIC.tobytes()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "EOF"),
        (b"PK\x03\x04 is no array", "magic string is not correct"),
        (SAVED[:-1], "its header says"),
        (SAVED + b"\0", "its header says"),
        (b"\x93NUMPY\x03\x00" + SAVED[8:], "is of version 3.0"),
        (header("(2, 2, 1, 1)", "'|O'") + b"\x80\x04N.", "is of dtype object; accepted is"),
        (header("(2, 2, 1, 1)", "'<i4'") + ASYMMETRIC.tobytes(), "is of dtype int32; accepted is"),
        (header(f"({MAX_ELEMENTS}, 9)"), f"accepted are {MAX_ELEMENTS} elements at most"),
        (header("(-2, -2)") + ASYMMETRIC.tobytes(), "elements at most"),
        (header("(4,)") + ASYMMETRIC.tobytes(), "kernel is of shape (4,): accepted is (2, 2, 1, 1)"),
        (header("(2, 2, 1, 1)", "'<f8'") + bytes(32), "kernel is of dtype float64, and the layer of float32"),
    ],
)
def test_a_bad_array_is_told_with_what_is_accepted(folder, content, told):
    (folder / "kernel.npy").write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read_cases(str(folder), folder)
    assert told in str(caught.value)
    assert "kernel" in str(caught.value)


def test_no_link_is_followed_and_nothing_waits(folder):
    (folder / "kernel.npy").rename(folder / "elsewhere.npy")
    (folder / "kernel.npy").symlink_to(folder / "elsewhere.npy")
    with pytest.raises(UsageError, match=r"kernel\.npy: is a link; accepted is a file"):
        read_cases(str(folder), folder)
    (folder / "kernel.npy").unlink()
    os.mkfifo(folder / "kernel.npy")
    with pytest.raises(UsageError, match="is no plain file"):
        read_cases(str(folder), folder)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "Expecting property name"),
        ("[]", "a case must be a JSON object, not []"),
        ("{}", "arguments must be a JSON object, not None"),
        ('{"arguments": {"kernel_size": 2}, "shape": 1}', "unknown entries ['shape']"),
        ('{"arguments": {"kernel_size": 2}, "input_shape": [1, 5, 4, 1]}', "x is of shape (1, 4, 4, 1): accepted is"),
        ('{"arguments": {"kernel_size": 2}, "data": 1}', "data must be a JSON object"),
    ],
)
def test_a_bad_case_of_a_person_is_told(folder, content, told):
    (folder / "case.json").write_text(content)
    with pytest.raises(UsageError) as caught:
        read_cases(str(folder), folder)
    assert told in str(caught.value)


def test_arrays_of_a_case_file_that_are_not_what_it_names_are_told(tmp_path):
    path = write_case(tmp_path / "cases", case_in("float32"))
    (array, *others) = sorted((tmp_path / "cases/arrays").iterdir())
    array.write_bytes(others[0].read_bytes())
    with pytest.raises(UsageError, match="is not the array that the case names"):
        read_cases(str(path), tmp_path)
    array.unlink()
    with pytest.raises(UsageError, match=f"{array.name}: No such file"):
        read_cases(str(path), tmp_path)
    (tmp_path / "cases/arrays").rename(tmp_path / "elsewhere")
    (tmp_path / "cases/arrays").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="arrays: is a link; accepted is a folder"):
        read_cases(str(path), tmp_path)


def test_a_case_without_an_input_shape_is_told(folder):
    (folder / "x.npy").unlink()
    with pytest.raises(UsageError, match=r"input_shape is missing: accepted are 4 integers, or an x\.npy beside"):
        read_cases(str(folder), folder)
