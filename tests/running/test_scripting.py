"""Scripts that stand alone: they exit with 0 on software that is right, and with 1 on software that is not."""

import ast
import base64
import itertools
import re
import subprocess
import sys
import zlib
from dataclasses import replace

import numpy as np
import pytest
from command_line import FLIPPED, call, run

from depthwise_conformance.adapters.base import LAYOUTS, Unsupported
from depthwise_conformance.adapters.sources import source
from depthwise_conformance.casebook.case import Case, Data, LayerCase, Refusal, canonical
from depthwise_conformance.judging.checks import PARTS
from depthwise_conformance.judging.relations import choose
from depthwise_conformance.judging.tally import Examined
from depthwise_conformance.judging.values import expect
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.journal import RECORDED
from depthwise_conformance.reports.record import Discrepancy, Verdict
from depthwise_conformance.running.answering import Reply
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.journal import Journal
from depthwise_conformance.running.reproducing import ask_related
from depthwise_conformance.running.scripting import write_script
from depthwise_conformance.running.scripttext import UNPACKED, Asked
from depthwise_conformance.running.targets import open_targets, requests
from depthwise_conformance.workers.layouts import laid_out

SOFTWARE = ["keras-tensorflow", "keras-torch", "keras-jax", "tensorflow", "torch", "jax", "jax:x64", "onnxruntime"]
LAYER = LayerConfig((2, 3), padding="same", depth_multiplier=2, activation="gelu")
CASE = Case(LAYER, (2, 4, 5, 2), Data("integers", 3))
FIRST = Case(replace(LAYER, data_format="channels_first", activation="relu", padding="valid"), (1, 2, 4, 5))
DOUBLE = Case(replace(LAYER, dtype="float64"), (2, 4, 5, 2), Data("uniform", 3))
BARE = Case(LayerConfig((2, 2), strides=2, use_bias=False), (1, 5, 4, 1))
# Runs scripts one after the other in one process, so that the software is imported once, and prints how each ends
DRIVER = """
import sys
for text in sys.stdin.read().split("# next\\n"):
    try:
        exec(text, {"__name__": "__main__"})
    except SystemExit as end:
        print("ends with", end.code)
"""


def told(check, verdict=Verdict.WRONG_VALUE, target="torch", device="cpu"):
    texts = dict.fromkeys(("id", "versions", "cause", "condition", "place", "replay", "known", "also", "signature"), "")
    numbers = {"failing": 1, "passing": 0, "worst_error": 2.0}
    rest = {"dtype": "float32", "smallest_case": "", "detail": ""}
    return Discrepancy(target=target, device=device, check=check, verdict=verdict, **texts, **numbers, **rest)


def asked(target, check, case, verdict=Verdict.WRONG_VALUE):
    """As if every element had been wrong."""
    expectation = expect(case)
    arrays = {part: np.asarray(expectation.part(part).value + 7.0) for part in ("output", PARTS.get(check, "output"))}
    return Asked(told(check, verdict, target), target, case, lambda: Examined(expectation, [], arrays))


def repeated(target, which, case=BARE):
    detail = f"a layer\n{which}: 3 elements differ"
    return Asked(replace(told("determinism", Verdict.NOT_DETERMINISTIC, target), detail=detail), target, case)


def laid(target, layout, part, case=CASE):
    of = "forward" if part == "output" else "gradients"
    detail = f"a layer\nnot with arrays that are {layout}\n{of} with arrays that are {layout} (so to speak), {part}:\n"
    return Asked(replace(told("memory", target=target), detail=detail), target, case)


def impure(target, signature, story="", case=CASE):
    detail = f"a layer\nright at first, then, {story}"
    found = replace(told("purity", Verdict.IMPURE, target), signature=signature, detail=detail)
    return Asked(found, target, case)


def remembering(target):
    """Each way in which a call may remember another."""
    for role, part in (("altered x", "output"), ("altered kernel", "output"), ("altered gradients", "input")):
        story = f"with other values in its arguments ({role}), the {part} was wrong:\n"
        yield impure(target, f"stale result for {role}", story)
    yield impure(target, "depends on earlier calls")


def related(target):
    expectation = expect(CASE)
    examined = Examined(expectation, [], {"output": np.asarray(expectation.output.value + 7.0)})
    return Asked(told("metamorphic", target=target), target, BARE, related=lambda: examined)


def endings(scripts):
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input="# next\n".join(scripts), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [int(line.rpartition(" ")[2]) for line in done.stdout.splitlines() if line.startswith("ends with")]


@pytest.mark.parametrize("target", SOFTWARE)
def test_a_script_tells_right_software_from_wrong(target):
    first = [] if target == "tensorflow" else [FIRST]  # which it has no kernel for
    gradients = () if target == "onnxruntime" else ("gradient_input", "gradient_kernel")
    double = [DOUBLE] if target == "jax:x64" else []
    values = [(check, case) for check in ("output", *gradients) for case in (CASE, *first, *double, BARE)]
    right = [write_script(asked(target, check, case)) for check, case in values]
    right += [write_script(asked(target, "gradient_bias", CASE))] if gradients else []
    right.append(write_script(asked(target, "output", BARE, Verdict.WRONG_SHAPE)))
    right.append(write_script(asked(target, "dtype", BARE, Verdict.WRONG_DTYPE)))
    right.append(write_script(asked(target, "output", BARE, Verdict.REFUSED)))
    wrong = [text.replace("expected = [", "expected = [1 + ", 1) for text in right if "expected = [" in text]
    wrong += [text.replace("expected = (", "expected = (3, ", 1) for text in right if "expected = (" in text]
    assert len(wrong) == len(right) - 2
    assert endings([*right, *wrong]) == [0] * len(right) + [1] * len(wrong)
    for text in right:
        assert text.count("\n") <= 40
        assert "depthwise_conformance" not in text


@pytest.mark.parametrize("target", ["keras-tensorflow", "jax", "torch"])
def test_a_script_of_several_calls_tells_right_software_from_wrong(target):
    right = [write_script(repeated(target, which)) for which in ("forward: output", "gradients: kernel")]
    right += [write_script(one) for one in (*remembering(target), related(target))]
    if target == "torch":
        layouts, parts = ("transposed", "sliced", "every_second", "new_axes"), ("output", "input", "kernel")
        right += [write_script(laid(target, one, part)) for one in layouts for part in parts]
        others = (laid(target, "transposed", "input", FIRST), laid(target, "sliced", "bias"))
        right += [write_script(one) for one in others]
    else:
        parts, layouts = ("output", "input", "kernel"), tuple(LAYOUTS)
        right += [write_script(laid(target, one, part)) for one, part in zip(layouts, itertools.cycle(parts))]
    of_calls = r"^    return (?!t[ .]|view|np\.flip|np\.lib)|^got = "  # not of `laid`
    own = re.compile(of_calls, re.MULTILINE)
    wrong = [own.sub(r"\g<0>np.random.rand() + ", text) for text in right]
    assert endings([*right, *wrong]) == [0] * len(right) + [1] * len(wrong)
    assert max(text.count("\n") for text in right) <= 42


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("config", [LAYER, replace(LAYER, dtype="bfloat16", data_format="channels_first")])
def test_arrays_of_a_script_lie_in_memory_as_they_did(layout, config):
    case = Case(config, (2, 4, 1, 2))
    lines, arrays = source("keras-torch", config, case.input_shape, layout), expect(case).arrays
    named = {"np": np, "x": arrays.x, "kernel": arrays.kernel, "bias": arrays.bias}
    own = itertools.takewhile(lambda line: not line.startswith("layer = "), lines.output)
    exec("\n".join(own), named)
    given = {name: getattr(arrays, name).astype(config.dtype) for name in ("x", "kernel", "bias")}
    for name, array in laid_out(given, layout, config.channels_last).items():
        assert (named[name].strides, named[name].tolist()) == (array.strides, array.tolist())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_many_numbers_are_packed(dtype):
    case = Case(LayerConfig((3, 3), use_bias=False, dtype=dtype), (2, 20, 20, 2), Data("special", 1))
    text = write_script(asked("torch", "output", case))
    assert text.count("\n") <= 40
    packed = next(line.removeprefix("x = ") for line in text.splitlines() if line.startswith("x = "))
    arrays = {"np": np, "zlib": zlib, "base64": base64}
    exec("\n".join(UNPACKED), arrays)
    np.testing.assert_array_equal(eval(packed, arrays), expect(case).arrays.x)


def test_a_related_call_that_is_wrong_by_itself_is_found():
    (target,) = open_targets(requests([], [FLIPPED]), 20.0)
    journal, reply = Journal(), Reply()
    journal.writer = reply
    try:
        examined = ask_related(target, CASE, Examiner(("metamorphic",), journal=journal))
    finally:
        target.worker.close()
    assert [answer.case for answer in reply.answers] == [examined.expectation.case.id]
    assert not {answer.asked for answer in reply.answers} & set(RECORDED)  # results are what the run itself asked
    assert examined.judgement("output").verdict is Verdict.WRONG_VALUE
    assert choose(expect(CASE)).calls(expect(CASE))[0].case == examined.expectation.case


def test_a_script_of_initial_weights():
    """Today's Keras draws a bias whose initializer is None."""
    target, steps, found = "keras-tensorflow", ("build", "weights"), []
    for given in ({"bias_initializer": None}, {"bias_initializer": "ones"}, {"depthwise_initializer": "he_uniform"}):
        layer = LayerCase("initializers", canonical({"kernel_size": 2, **given}), (1, 4, 4, 2), steps)
        found.append(write_script(Asked(told("initializers", target=target), target, layer)))
    other = found[1].replace("(1.0, ", "(2.0, ")
    assert other != found[1]
    assert endings([*found, other]) == [1, 0, 0, 1]
    normal = canonical({"kernel_size": 2, "depthwise_initializer": "random_normal", "use_bias": False})
    with pytest.raises(Unsupported, match="only how they are distributed"):
        write_script(
            Asked(told("initializers", target=target), target, LayerCase("initializers", normal, (1, 4, 4, 2), steps))
        )


def test_scripts_of_keras_layers():
    """Today's Keras gives no error for strides with dilation, and refuses no layer that is plain."""
    target = "keras-tensorflow"
    strided = canonical({"kernel_size": 2, "strides": 2, "dilation_rate": 2})
    plain = canonical({"kernel_size": 2})
    refusals = [
        Refusal(strided, (1, 8, 8, 2), "ValueError", "strides > 1 with dilation_rate > 1"),
        Refusal(canonical({"kernel_size": -1}), (1, 8, 8, 2), "", "a window of no size"),
    ]
    texts = [write_script(Asked(told("errors", Verdict.ERROR_MISSING, target), target, case)) for case in refusals]
    layer = LayerCase("initializers", plain, (1, 4, 4, 2), ("build", "weights"))
    texts.append(write_script(Asked(told("initializers", Verdict.REFUSED, target), target, layer)))
    texts.append(write_script(asked(target, "shape_inference", BARE, Verdict.WRONG_SHAPE)))
    assert endings(texts) == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: replace(one, name="onnx"), "no lines are known that call onnx"),
        (lambda one: replace(one, told=told("output", device="cuda:0")), "scripts are for the CPU"),
        (lambda one: replace(one, told=told("purity")), "no script is known that shows purity"),
        (lambda one: laid("torch", "reversed", "output"), "arrays that are reversed"),
        (lambda one: laid("keras-torch", "folded", "output"), "call keras-torch with arrays that are folded"),
        (lambda one: replace(one, told=told("memory")), "where one of the calls gives nothing"),
        (lambda one: impure("torch", "altered its argument x"), "does not see what a call does to its arguments"),
        (lambda one: impure("torch", "stale result for altered x"), "where one of the calls gives nothing"),
        (lambda one: replace(one, told=told("metamorphic")), "none of the related calls is wrong by itself"),
        (lambda one: repeated("onnxruntime", "gradients: kernel"), "for the gradient of the kernel"),
        (lambda one: replace(one, told=told("metamorphic", Verdict.WRONG_SHAPE)), "shows metamorphic as wrong_shape"),
        (lambda one: replace(one, told=told("output", Verdict.TIMED_OUT)), "shows output as timed_out"),
        (lambda one: replace(one, told=told("shape_inference", Verdict.REFUSED)), "shows shape_inference as refused"),
        (lambda one: asked("onnxruntime", "gradient_input", BARE, Verdict.REFUSED), "for gradient_input"),
        (lambda one: replace(one, again=lambda: Examined(expect(BARE), [], {})), "no element .* is outside its bound"),
        (lambda one: replace(one, again=lambda: None), "could not be asked"),
        (lambda one: asked("torch", "output", replace(BARE, input_shape=(1, 150, 150, 1))), "22504 numbers"),
    ],
)
def test_why_there_is_no_script(change, said):
    with pytest.raises(Unsupported, match=said):
        write_script(change(asked("torch", "output", BARE)))


@pytest.mark.parametrize(
    "arguments", [{"depthwise_initializer": {"function": "halves"}}, {"x=print()": 1}, {"bias_initializer": "ones"}]
)
def test_a_layer_whose_arguments_a_script_has_not(arguments):
    layer = LayerCase("initializers", canonical({"kernel_size": 2, **arguments}), (1, 4, 4, 2), ("build", "weights"))
    one = Asked(told("initializers", Verdict.REFUSED, "keras-torch"), "keras-torch", layer)
    if "bias_initializer" in arguments:
        assert "bias_initializer='ones'" in write_script(one)
    else:
        with pytest.raises(Unsupported, match="cannot be written"):
            write_script(one)


def test_text_from_elsewhere_stays_text():
    """What a case file says is wrong, what it is called, a target's versions: nothing of it becomes a statement."""
    breaking = '"""\nraise SystemExit(7)\n"""\\'
    case = replace(BARE, name=breaking)
    texts = [write_script(replace(asked("torch", "output", case), told=replace(told("output"), versions=breaking)))]
    refusal = Refusal(canonical({"kernel_size": 2}), (1, 8, 8, 2), "", '{breaking}") or exit(7) or ("')
    texts.append(write_script(Asked(told("errors", Verdict.ERROR_MISSING), "keras-torch", refusal)))
    for text in texts:
        tree = ast.parse(text)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == 7]


def test_a_run_writes_a_script_and_a_report_for_each_discrepancy(tmp_path):
    checks = ("--check", "special_values", "--check", "output")
    words = ("--target", "torch", "--adapter", FLIPPED, *checks, "--examples", 5)
    assert run(tmp_path, *words, "--out", "out").returncode == 1
    reports = sorted((tmp_path / "out" / "repro").glob("*.md"))
    scripts = sorted((tmp_path / "out" / "repro").glob("*.py"))
    texts = [path.read_text("utf-8") for path in reports]
    (foreign,) = (text for text in texts if "kernel flipped" in text)
    assert "No script stands alone: no lines are known" in foreign
    assert "depthwise-conformance replay" in foreign
    for script in scripts:
        assert call(tmp_path, sys.executable, script).returncode == 1
        assert script.read_text("utf-8") in script.with_suffix(".md").read_text("utf-8")
