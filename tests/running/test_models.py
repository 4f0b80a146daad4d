"""Models: their depthwise layers are found, with shapes, weights and what arrives there; one that is wrong is named."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from by_name import location
from command_line import FAKES, HONEST, call, run

from depthwise_conformance import read_discrepancies, read_results, read_runs
from depthwise_conformance.judging.values import expect, in_units
from depthwise_conformance.reports.layers import read_layers
from depthwise_conformance.reports.record import REFERENCE, Verdict
from depthwise_conformance.running import cli
from depthwise_conformance.running.given import Given, read_given
from depthwise_conformance.running.usage import UsageError

MAKERS = ("keras", "tensorflow", "torch", "onnx", "onnxruntime")  # not imported here: they live in other processes
pytestmark = pytest.mark.skipif(not all(map(find_spec, MAKERS)), reason=f"the models are made by {', '.join(MAKERS)}")
WRONG = location("SamePaddingOddZeroBefore")
FUSSY = f"{FAKES / 'particular.py'}:WrongForFive"
OWN_KERNEL = np.array([[1, 2], [3, 5]], np.float32).reshape(2, 2, 1, 1)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    done = call(folder, sys.executable, FAKES.parent / "support" / "small_models.py", folder)
    assert done.returncode == 0, done.stderr
    return folder


def read(models: Path, name: str, image: bool = False) -> Given:
    return read_given([], [str(models / name)], models / "image.npy" if image else None, models)


def hold_to_what_the_framework_gave(models: Path, name: str) -> Given:
    """Each layer's case, by the reference, has to give what the layer gave in the model."""
    found = read(models, name, image=True)
    seen = np.load(models / f"{name}.npz")
    for case, layer in zip(found.cases, seen, strict=True):
        assert layer in case.name
        expected = expect(case).output
        assert seen[layer].shape == expected.value.shape
        assert in_units(seen[layer].astype(np.float64), expected).max() <= 1.0, layer
    return found


def test_layers_of_an_onnx_file_are_what_they_are_in_the_model(models):
    found = hold_to_what_the_framework_gave(models, "small.onnx")
    assert [case.name for case in found.cases] == ["same", "odd", "lower", "upper", "valid"]
    assert [case.config.padding for case in found.cases] == ["same", "valid", "valid", "same", "valid"]
    (about,) = found.models
    assert about["notes"][0] == ["odd", 'its pads (above 2, below 0, left 0, right 1) are part of the input, "valid"']
    assert [name for name, _ in about["notes"]] == ["odd", "lower"]
    assert dict(about["skipped"]).keys() == {"computed", "paired"}


def test_layers_of_a_tflite_file_are_what_they_are_in_the_model(models):
    found = hold_to_what_the_framework_gave(models, "small.tflite")
    assert [case.config.activation for case in found.cases] == ["relu6", None]


def test_without_an_input_sizes_are_inferred_and_numbers_are_a_recipes(models):
    found = read(models, "small.onnx")
    assert [case.input_shape for case in found.cases[:2]] == [(1, 3, 12, 14), (1, 3, 14, 15)]
    for number, case in enumerate(found.cases):
        assert "x" not in {one.role for one in case.data.arrays}
        assert (case.data.recipe, case.data.seed) == ("normal", number)


def test_a_configuration_without_weights_is_read(models):
    found = read(models, "small.json")
    assert [case.name for case in found.cases] == ["first", "inner/down", "twice", "twice (call 2)"]
    assert [case.input_shape for case in found.cases] == [(1, 12, 14, 3), (1, 12, 14, 6), (1, 6, 7, 6), (1, 5, 5, 6)]
    assert all(case.data.arrays == () for case in found.cases)


def test_a_case_under_several_names_is_judged_once(models):
    found = read_given([], [str(models / "small.onnx")] * 2, None, models)
    assert found.cases[0].name == "small.onnx: same"
    (models / "copy.onnx").write_bytes((models / "small.onnx").read_bytes())
    found = read_given([], [str(models / "small.onnx"), str(models / "copy.onnx")], None, models)
    assert found.cases[0].name == "small.onnx: same, copy.onnx: same"


# What cannot be read is told


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("missing.keras", None, "there is no such file"),
        ("a.keras", b"no zip", "is no .keras file, which is a zip archive, or not all of one"),
        ("a.json", b"{", "is no JSON"),
        ("a.json", b'{"arguments": {"kernel_size": 2}}', "is neither what to_json() nor what get_config()"),
        ("a.onnx", b"no protobuf", "cannot be read as an ONNX model"),
        ("a.onnx", b"", "cannot be read as an ONNX model: it has no nodes"),
        ("a.tflite", b"no flatbuffer", "is no TensorFlow Lite model"),
        ("a.pb", b"", "accepted are files that end in .keras, .json, .onnx, .tflite"),
    ],
)
def test_what_is_no_model_is_told(tmp_path, name, content, told):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        read(tmp_path, name)
    assert f"{name}': {told}" in str(caught.value)


@pytest.mark.parametrize("name", ["small.keras", "small.onnx", "small.tflite"])
def test_half_a_model_is_told(models, tmp_path, name):
    content = (models / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(UsageError, match=r"cannot be read as|or not all of one"):
        read(tmp_path, name)


def test_layers_that_cannot_be_judged_are_told_each_with_its_reason(models):
    with pytest.raises(UsageError) as caught:
        read(models, "left.onnx")
    told = str(caught.value)
    assert "has no depthwise layer that can be judged" in told
    assert "  quantised: a quantised ConvInteger; accepted are constants of a float format" in told
    assert "  strip: of 1 dimensions; accepted are two" in told
    assert "  inside: in a graph within If; accepted are those of the model's own" in told
    with pytest.raises(UsageError, match="its weights are computed or dequantised; accepted are constants"):
        read(models, "half.tflite")


def test_sizes_that_nobody_knows_are_asked_for(models):
    with pytest.raises(UsageError, match=r"is of shape \(None, None, None, 3\).*by --input FILE\.npy"):
        read(models, "open.json")


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (None, "cannot be read as a .npy file"),
        (np.array([{}]), "Object arrays cannot be loaded"),
        (np.zeros((2, 12, 14), np.float32), "is of shape (2, 12, 14); accepted are 4 sizes, (None, 12, 14, 3)"),
        (np.zeros((2, 12, 14, 4), np.float32), "ONNX Runtime cannot run the model"),
        (np.zeros((2, 12, 14, 3)), "ONNX Runtime cannot run the model"),
    ],
)
def test_an_input_that_does_not_fit_is_told(models, tmp_path, array, told):
    if array is None:
        (tmp_path / "x.npy").write_bytes(b"no array")
    else:
        np.save(tmp_path / "x.npy", array, allow_pickle=True)
    with pytest.raises(UsageError) as caught:
        read_given([], [str(models / "small.onnx")], tmp_path / "x.npy", tmp_path)
    assert told in str(caught.value)


def test_an_input_without_a_model_is_told(tmp_path, capsys):
    assert cli.main(["run", "--input", "x.npy", "--adapter", HONEST, "--out", str(tmp_path / "out")]) == 2
    assert "--input: accepted beside --model" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# A run: a model of Keras, a case of a person's, an honest target and one that gets one of the layers wrong


@pytest.fixture(scope="module")
def judged(models):
    mine = models / "mine"
    mine.mkdir()
    (mine / "case.json").write_text('{"arguments": {"kernel_size": 2, "use_bias": false}, "input_shape": [1, 4, 4, 1]}')
    np.save(mine / "kernel.npy", OWN_KERNEL)
    given = ("--model", "small.keras", "--input", "image.npy", "--case", "mine")
    return models / "out", run(models, *given, "--adapter", HONEST, "--adapter", WRONG, "--out", "out")


def test_layers_of_a_keras_file_are_what_they_are_in_the_model(models):
    found = hold_to_what_the_framework_gave(models, "small.keras")
    assert found.cases[3].config == found.cases[2].config
    assert found.models[0]["skipped"] == [["apart", "a SeparableConv2D: accepted is DepthwiseConv2D"]]


def test_nothing_but_what_was_given_is_judged(judged):
    folder, done = judged
    assert done.returncode == 1, done.stderr
    frame = read_results(folder)
    assert frame["case"].nunique() == 5
    assert set(frame["recipe"]) == {"own arrays"}
    assert not frame.duplicated(["target", "check", "case"]).any()
    checks = {"output", "shape", "dtype", "gradient_input", "gradient_kernel", "gradient_bias", "metamorphic"}
    assert set(frame["check"]) == checks | {"shape_inference", "determinism", "purity", "memory"}
    assert (frame["check"] == "purity").sum() == 10  # of every case, not of a sample
    (about,) = read_runs(folder)
    assert about["complete"] is True
    assert about["models"][0]["layers"] == 4


def test_the_layer_that_is_wrong_is_named(judged):
    folder, done = judged
    (found,) = read_discrepancies(folder)
    assert (found.target, found.check) == ("same-padding-odd-zero-before@cpu", "output")
    assert "shown by inner/down" in found.detail.splitlines()
    assert found.cause == "same padding with the odd zero before"
    assert "inner/down" in done.stdout
    assert "left out: apart: a SeparableConv2D" in done.stdout
    smallest = json.loads((folder / "cases" / f"{found.smallest_case}.json").read_text())
    assert "arrays" not in smallest["data"]  # numbers of a recipe do as well


def test_the_table_holds_every_target_against_the_reference_and_each_other(judged):
    folder, _ = judged
    rows = read_layers(folder)
    honest, wrong = "honest@cpu", "same-padding-odd-zero-before@cpu"
    assert [row.layer for row in rows[::3]] == ["mine", "first", "inner/down", "twice", "twice (call 2)"]
    assert [(row.target, row.against) for row in rows[:3]] == [(honest, REFERENCE), (wrong, REFERENCE), (honest, wrong)]
    for row in rows:
        fails = row.layer == "inner/down" and wrong in (row.target, row.against)
        assert row.verdict is (Verdict.WRONG_VALUE if fails else Verdict.PASS)
        assert (row.error > 1.0, row.relative > 1e-3) == (fails, fails)
        assert row.ulp >= 0.0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("inner/down") >= 2
    assert "left out: apart" in page


def test_a_case_that_takes_its_numbers_keeps_them(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "case.json").write_text('{"arguments": {"kernel_size": 2, "use_bias": false}, "input_shape": [1, 9, 9, 1]}')
    np.save(mine / "kernel.npy", OWN_KERNEL)
    done = run(tmp_path, "--case", "mine", "--adapter", FUSSY, "--check", "output", "--out", "out")
    assert done.returncode == 1, done.stderr
    (found,) = read_discrepancies(tmp_path / "out")
    file = tmp_path / "out" / "cases" / f"{found.smallest_case}.json"
    assert json.loads(file.read_text())["data"]["arrays"].keys() == {"kernel"}
    again = call(tmp_path, sys.executable, "-P", "-m", "depthwise_conformance.running.cli", *found.replay.split()[1:])
    assert again.returncode == 1
    assert "wrong_value" in again.stdout
