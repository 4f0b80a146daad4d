"""Cases: JSON both ways, identities that last, hostile files, and what the strategies reach."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depthwise_conformance.casebook.case import MAX_ELEMENTS, Case, Data, Refusal, canonical, case_from_json
from depthwise_conformance.casebook.fixed import fixed_cases
from depthwise_conformance.casebook.recipes import RECIPES, SPECIAL, make_arrays
from depthwise_conformance.casebook.strategies import WORK, Draw, cases
from depthwise_conformance.judging.tally import extent
from depthwise_conformance.layers.refusals import OUTSIDE, refusals
from depthwise_conformance.reference import FORMATS, LayerConfig, output_shape, split_shape
from depthwise_conformance.running.drawing import draw_block, draw_refusals, search
from depthwise_conformance.running.options import TOGETHER

DRAWN = TOGETHER
PLAIN = {
    "schema": 1,
    "arguments": {"kernel_size": [3, 2], "padding": "same"},
    "input_shape": [2, 5, 4, 3],
    "data": {"recipe": "integers", "seed": 7},
}
quick = settings(max_examples=100, deadline=None, derandomize=True, database=None)


# JSON both ways


@quick
@given(cases() | refusals())
def test_a_case_survives_its_file(case):
    text = json.dumps(case.to_json(), indent=2)
    again = case_from_json(json.loads(text))
    assert again == case
    assert again.id == case.id
    assert hash(again) == hash(case)


def test_the_order_and_spelling_of_a_file_do_not_change_the_identity():
    shuffled = {name: PLAIN[name] for name in reversed(PLAIN)}
    shuffled["arguments"] = {"padding": "SAME", "kernel_size": [3, 2], "strides": 1, "use_bias": True}
    assert case_from_json(shuffled).id == case_from_json(PLAIN).id


def test_every_part_of_a_case_changes_its_identity():
    case = case_from_json(PLAIN)
    others = [
        {**PLAIN, "arguments": {**PLAIN["arguments"], "use_bias": False}},
        {**PLAIN, "arguments": {**PLAIN["arguments"], "dtype": "float16"}},
        {**PLAIN, "input_shape": [2, 4, 5, 3]},
        {**PLAIN, "data": {"recipe": "uniform", "seed": 7}},
        {**PLAIN, "data": {"recipe": "integers", "seed": 8}},
    ]
    assert len({case.id, *(case_from_json(other).id for other in others)}) == 6


# Identities that last: a change here changes what old case files and reports mean. Do not adapt; add a new recipe.


def test_ids_stay_what_they_were():
    assert case_from_json(PLAIN).id == "fe63c1e2156c2c44"
    assert Case(LayerConfig((1, 1)), (1, 1, 1, 1)).id == "3f5d47c1ab46112b"
    refusal = Refusal(canonical({"kernel_size": 3, "strides": 2, "dilation_rate": 2}), (1, 16, 16, 3), "ValueError")
    assert refusal.id == "63dcbce17bf0bded"
    assert [case.id for case in fixed_cases()[:4]] == [
        "fb7223d951ef27f4",
        "41b1d4917ea42cd6",
        "6d08f79291adfec9",
        "4cd3556e6911e563",
    ]


def digest(case: Case) -> str:
    arrays = make_arrays(case)
    parts = (arrays.x, arrays.kernel, arrays.bias, arrays.cotangent)
    return hashlib.sha256(b"".join(part.astype(part.dtype.newbyteorder("<")).tobytes() for part in parts)).hexdigest()


ARRAYS = {
    ("integers", "float16"): "215e96ccb3f148dc",
    ("integers", "bfloat16"): "2dff5f38fa0aca5e",
    ("integers", "float32"): "20c645dd30917608",
    ("integers", "float64"): "7db1933db637a667",
    ("uniform", "float16"): "7ad6066d374ca539",
    ("uniform", "bfloat16"): "39cbaa95ca4117bb",
    ("uniform", "float32"): "e4bbafd32e85cce3",
    ("uniform", "float64"): "7551bcef887ac505",
    ("normal", "float16"): "c1d81af4370ded39",
    ("normal", "bfloat16"): "ae87ad9366cb0ca7",
    ("normal", "float32"): "61425b4e5a703185",
    ("normal", "float64"): "beb855bf676ed29b",
    ("cancellation", "float16"): "a8894053a714ce3f",
    ("cancellation", "bfloat16"): "7454c76f10cb4d04",
    ("cancellation", "float32"): "a75e50fe48b7ea52",
    ("cancellation", "float64"): "9ad5a4d43b886318",
    ("wide", "float16"): "b7200494fcf1c5c7",
    ("wide", "bfloat16"): "86c0bc58ceb37378",
    ("wide", "float32"): "d7600626ea593341",
    ("wide", "float64"): "63f33dd9a136ef1a",
    ("impulses", "float16"): "554fefb2f1860aff",
    ("impulses", "bfloat16"): "d3357ae94206df9d",
    ("impulses", "float32"): "264d451084c46463",
    ("impulses", "float64"): "1f4502847496eb9f",
    ("zeros", "float16"): "60107be66c9efe4d",
    ("zeros", "bfloat16"): "60107be66c9efe4d",
    ("zeros", "float32"): "5560728cd337269a",
    ("zeros", "float64"): "e1e91f947f89bcac",
    ("underflow", "float16"): "5b69ee92e7aa2cc0",
    ("underflow", "bfloat16"): "48c31904c3e8a72d",
    ("underflow", "float32"): "badf55077bfda5de",
    ("underflow", "float64"): "3751309387034971",
    ("s0", "float16"): "aec7d9eaacf633c5",
    ("s0", "bfloat16"): "a7ebc1560b273b3c",
    ("s0", "float32"): "9fc33eaa988bf024",
    ("s0", "float64"): "9e1c33c37050c270",
    ("s1", "float16"): "0f20b4b6520201dc",
    ("s1", "bfloat16"): "633a71539598c9e6",
    ("s1", "float32"): "4e320460cf773298",
    ("s1", "float64"): "a92ab3c20ff4dcf7",
    ("s2", "float16"): "fbc3a657801c68ee",
    ("s2", "bfloat16"): "9dab18668c3fc425",
    ("s2", "float32"): "90e2e9b2edf14152",
    ("s2", "float64"): "d6f112312cca602a",
    ("s3", "float16"): "c11c6fb82333773b",
    ("s3", "bfloat16"): "c72119a67f776521",
    ("s3", "float32"): "03ff896fba6a8733",
    ("s3", "float64"): "ff8f1d76755dbd6e",
    ("s4", "float16"): "e8fb829577f7b6e2",
    ("s4", "bfloat16"): "0243e44effb0c50d",
    ("s4", "float32"): "2410aaf8ddc2118a",
    ("s4", "float64"): "0865a0bc094a198d",
    ("s5", "float16"): "e8bfbb06ab225639",
    ("s5", "bfloat16"): "28edc03bbcd634eb",
    ("s5", "float32"): "8c4331c0efc95d85",
    ("s5", "float64"): "ca161a192aafd2f2",
    ("special", "float16"): "24a26d8d10dbf64e",
    ("special", "bfloat16"): "8601f3ae80300e10",
    ("special", "float32"): "36d6903c4f22a4fd",
    ("special", "float64"): "d1b8cb79b346e288",
}


@pytest.mark.parametrize(("recipe", "dtype"), ARRAYS)
def test_arrays_stay_what_they_were(recipe, dtype):
    config = LayerConfig((3, 2), padding="same", depth_multiplier=2, dtype=dtype)
    assert digest(Case(config, (2, 5, 4, 3), Data(recipe, 7)))[:16] == ARRAYS[recipe, dtype]


def test_every_recipe_and_dtype_is_pinned():
    assert set(ARRAYS) == {(recipe, dtype) for recipe in RECIPES for dtype in DTYPES}


DTYPES = ("float16", "bfloat16", "float32", "float64")


@quick
@given(cases())
def test_arrays_are_those_of_the_call(case):
    arrays = make_arrays(case)
    channels = case.channels * case.config.depth_multiplier
    assert arrays.x.shape == case.input_shape
    assert arrays.kernel.shape == (*case.config.kernel_size, case.channels, case.config.depth_multiplier)
    assert arrays.cotangent.shape == output_shape(case.config, case.input_shape)
    assert (arrays.bias is not None) == case.config.use_bias
    given_arrays = [array for array in vars(arrays).values() if array is not None]
    assert {array.dtype.name for array in given_arrays} == {case.dtype}
    finite = all(np.isfinite(array.astype(np.float64)).all() for array in given_arrays)
    assert finite or case.data.recipe == SPECIAL
    assert arrays.bias is None or arrays.bias.shape == (channels,)


def test_the_seed_and_the_role_decide_the_numbers():
    arrays = make_arrays(Case(LayerConfig((3, 3)), (1, 3, 3, 1), Data("uniform", 0)))
    other = make_arrays(Case(LayerConfig((3, 3)), (1, 3, 3, 1), Data("uniform", 1)))
    flat = [array.reshape(-1).tolist() for array in (arrays.x, arrays.kernel, other.x, other.kernel)]
    assert len({tuple(numbers) for numbers in flat}) == 4


# Hostile files: data only, whoever wrote them


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": 2}, "schema=2: accepted is 1"),
        ({"schema": True}, "schema=True: accepted is 1"),
        ({"extra": 1}, "a case has unknown entries ['extra']; accepted are ['arguments', "),
        ({"arguments": None}, "arguments must be a JSON object, not None"),
        ({"arguments": {}}, "kernel_size is missing"),
        (
            {"arguments": {"kernel_size": 3, "groups": 2}},
            "unknown layer arguments ['groups']; accepted are ['activation'",
        ),
        ({"arguments": {"kernel_size": 0}}, "kernel_size=0: accepted are integers of 1 or more"),
        ({"arguments": {"kernel_size": 2.0}}, "kernel_size=2.0: accepted are"),
        ({"arguments": {"kernel_size": 9}}, "a kernel spanning 9 does not fit into an input of 5"),
        ({"arguments": {"kernel_size": 2, "dtype": "int8"}}, "dtype='int8': accepted are 'float16', "),
        ({"arguments": {"kernel_size": 2, "bias_initializer": {"class_name": "os.system"}}}, "bias_initializer={"),
        ({"input_shape": "1234"}, "input_shape='1234': accepted is a list of integers"),
        ({"input_shape": [1, 5, 4.0, 3]}, "input_shape=[1, 5, 4.0, 3]: accepted is"),
        ({"input_shape": [1, 5, True, 3]}, "input_shape=[1, 5, True, 3]: accepted is"),
        ({"input_shape": [1, 5, 4]}, "input_shape=[1, 5, 4]: accepted are 4 integers"),
        ({"input_shape": [-1, 5, 4, 3]}, "input shape (-1, 5, 4, 3): accepted are a batch of 0 or more"),
        ({"input_shape": [1, 10**6, 10**6, 3]}, f"too many elements; accepted are {MAX_ELEMENTS}"),
        ({"data": None}, "data must be a JSON object, not None"),
        ({"data": {"recipe": "integers", "seed": -1}}, "accepted are a recipe's name and a seed of 0 to 2**64 - 1"),
        ({"data": {"recipe": "integers", "seed": 2**64}}, "accepted are a recipe's name and a seed of 0 to 2**64 - 1"),
        ({"data": {"recipe": ["integers"], "seed": 1}}, "data={'recipe': ['integers'], 'seed': 1}: accepted are"),
        ({"refused": {}}, "a case has 'refused' and 'data' or 'layer'; accepted is one of them"),
    ],
)
def test_a_malformed_case_is_told_with_what_was_given_and_what_is_accepted(change, told):
    with pytest.raises(ValueError) as caught:
        case_from_json({**PLAIN, **change})
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"kernel_size": 3, "dilation_rate": 10**6, "padding": "same"},
        {"kernel_size": 3, "dilation_rate": 10**30, "padding": "same"},
        {"kernel_size": 3, "strides": 10**30, "padding": "same"},
        {"kernel_size": 10**5, "padding": "same"},
        {"kernel_size": 10**4000, "padding": "same"},
        {"kernel_size": 1, "depth_multiplier": 10**9},
    ],
)
def test_a_case_that_would_eat_the_memory_is_refused_before_it_does(arguments):
    with pytest.raises(ValueError, match="too many elements"):
        case_from_json({**PLAIN, "arguments": arguments})


def test_an_unknown_recipe_is_told_when_the_arrays_are_made():
    with pytest.raises(ValueError, match="recipe='nonesuch': accepted are integers, uniform, "):
        make_arrays(case_from_json({**PLAIN, "data": {"recipe": "nonesuch", "seed": 0}}))


def test_a_deeply_nested_file_is_refused():
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]
    for arguments in ({"kernel_size": deep}, {"kernel_size": 2, "activation": deep}):
        with pytest.raises(ValueError):
            case_from_json({**PLAIN, "arguments": arguments})
    refusal = {"schema": 1, "arguments": {"kernel_size": deep}, "input_shape": [1, 8, 8, 2], "refused": {}}
    with pytest.raises(ValueError, match="nested"):
        case_from_json(refusal)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def reads_or_raises_value_error(value: object) -> None:
    try:
        case = case_from_json(value)
    except ValueError as error:
        assert str(error)
    else:
        assert case_from_json(json.loads(json.dumps(case.to_json()))).id == case.id


@quick
@given(json_values)
def test_any_json_is_read_or_refused(value):
    reads_or_raises_value_error(value)


@settings(quick, max_examples=300)
@given(st.data())
def test_any_damage_to_a_valid_case_is_read_or_refused(data):
    value = json.loads(json.dumps(data.draw(cases() | refusals()).to_json()))
    for _ in range(data.draw(st.integers(1, 2))):
        damage(data, value)
    reads_or_raises_value_error(value)


def damage(data: st.DataObject, value: object) -> None:
    """Replaces, adds or removes one entry somewhere in the value."""
    place = data.draw(st.sampled_from(list(containers(value))))
    key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
    how = data.draw(st.sampled_from(("replace", "add", "remove")))
    if how == "remove":
        del place[key]
    elif how == "add" and isinstance(place, dict):
        known = ("schema", "data", "refused", "strides", "dtype", "activation", "strided_dilation")
        place[data.draw(st.sampled_from(known))] = data.draw(json_values)
    else:
        place[key] = data.draw(json_values | st.integers(2**31, 2**80))


def containers(value: object) -> Iterator[dict | list]:
    """Every dict and list within the value that is not empty."""
    if isinstance(value, dict | list) and value:
        yield value
        for part in value.values() if isinstance(value, dict) else value:
            yield from containers(part)


# What the strategies reach within a default run


def features(case: Case) -> Iterator[str]:
    config = case.config
    batch, height, width, channels = split_shape(config, case.input_shape)
    for axis, size, kernel, stride, dilation in zip(
        ("rows", "columns"), (height, width), config.kernel_size, config.strides, config.dilation_rate, strict=True
    ):
        yield f"{axis}: {'even' if kernel % 2 == 0 else 'odd'} kernel"
        yield f"{axis}: {size=}" if size == 1 else f"{axis}: size > 1"
        if kernel > size:
            yield f"{axis}: kernel larger than the input"
        if kernel > 7:
            yield f"{axis}: kernel beyond 7"
        if stride > kernel:
            yield f"{axis}: stride larger than the kernel"
        if stride > 1 and dilation > 1:
            yield f"{axis}: stride and dilation"
        if stride > 2:
            span = 0 if config.padding == "same" else (kernel - 1) * dilation + 1
            rest = (size - span) % stride
            yield f"{axis}: {config.padding}: {'at' if rest == 0 else 'above' if rest == 1 else 'below'} what divides"
    sizes = (batch, height, width, channels)
    yield "height == width" if height == width else "height != width"
    yield "sizes all different" if len(set(sizes)) == 4 else "sizes coincide"
    yield "kernel " + {(True, True): "1x1", (True, False): "1xN", (False, True): "Nx1"}.get(
        (config.kernel_size[0] == 1, config.kernel_size[1] == 1), "KxN"
    )
    if batch == channels:
        yield "batch == channels"
    if channels in (height, width):
        yield "channels == height or width"
    if channels == config.depth_multiplier > 1:
        yield "channels == depth_multiplier"
    for name, pair in (("strides", config.strides), ("dilation_rate", config.dilation_rate)):
        yield f"{name} {'equal' if pair[0] == pair[1] else 'unequal'}" if max(pair) > 1 else f"no {name}"
    yield f"batch {min(batch, 2)}"
    yield from (f"{channels} channels", f"multiplier {config.depth_multiplier}", config.padding, config.data_format)
    yield from (f"bias {config.use_bias}", f"activation {config.activation}", config.dtype, case.data.recipe)


AXES = [
    *("even kernel", "odd kernel", "kernel larger than the input", "kernel beyond 7", "size=1"),
    *("stride larger than the kernel", "stride and dilation"),
    *(f"{padding}: {place} what divides" for padding in ("valid", "same") for place in ("below", "at", "above")),
]
REACHED = {
    *(f"{axis}: {feature}" for axis in ("rows", "columns") for feature in AXES),
    *("height == width", "height != width", "sizes all different", "sizes coincide"),
    *("batch == channels", "channels == height or width", "channels == depth_multiplier"),
    *("kernel 1x1", "kernel 1xN", "kernel Nx1", "kernel KxN", "no strides", "no dilation_rate"),
    *(f"{name} {how}" for name in ("strides", "dilation_rate") for how in ("equal", "unequal")),
    *(f"batch {size}" for size in (0, 1, 2)),
    *(f"{count} channels" for count in (1, 2, 3, 4, 7, 8, 9, 16, 17, 33)),
    *(f"multiplier {count}" for count in (1, 2, 3, 4, 5, 6)),
    *("valid", "same", "channels_last", "channels_first", "bias True", "bias False", *DTYPES),
    *(f"activation {name}" for name in (None, "linear", "relu", "relu6", "tanh", "sigmoid", "softplus", "gelu")),
    *("activation softmax", *(name for name in RECIPES if name != "zeros")),
}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_default_run_reaches_what_implementations_get_wrong(seed):
    drawn = draw_block(seed, DRAWN)
    assert len(drawn) == DRAWN == len({case.id for case in drawn})
    reached = {feature for case in drawn for feature in features(case)}
    assert not REACHED - reached


@quick
@given(cases())
def test_drawn_cases_are_small_work(case):
    config = case.config
    work = math.prod(output_shape(config, case.input_shape)) * math.prod(config.kernel_size)
    assert work <= WORK
    assert math.prod(case.input_shape) <= 50 * WORK
    assert config.strided_dilation == (max(config.strides) > 1 and max(config.dilation_rate) > 1)


def test_the_first_fixed_cases_are_mobilenets():
    assert {case.dtype for case in fixed_cases()[:4]} == {"float32"}
    assert max(math.prod(case.input_shape) for case in fixed_cases()) == 112 * 112 * 64


def test_the_other_fixed_cases_go_beyond_what_is_drawn():
    extremes = [case for case in fixed_cases() if case not in fixed_cases()[:4]]
    sizes = [max(case.input_shape[1:]) for case in extremes]
    assert max(sizes) > 255
    assert max(case.input_shape[0] for case in extremes) > 128
    assert max(max(case.config.kernel_size) for case in extremes) > 16
    assert max(max(case.config.strides) for case in extremes) > 8
    assert max(max(case.config.dilation_rate) for case in extremes) > 8
    assert {case.dtype for case in extremes} == set(FORMATS)
    assert {case.config.data_format for case in extremes} == {"channels_last", "channels_first"}


# Refusals


def test_every_run_refuses_all_that_is_outside_the_documentation():
    drawn = draw_refusals(0, 40)
    assert drawn[: len(OUTSIDE)] == OUTSIDE
    promised = [case for case in drawn if case.documented]
    assert len(promised) >= 10
    assert {case.documented for case in promised} == {"ValueError"}
    for case in promised:
        arguments = json.loads(case.arguments)
        assert np.min(arguments["strides"]) > 1 and np.min(arguments["dilation_rate"]) > 1


@pytest.mark.parametrize("case", [case for case in draw_refusals(0, 40) if case.documented], ids=lambda c: c.arguments)
def test_the_reference_refuses_what_the_documentation_promises_to_refuse(case):
    with pytest.raises(ValueError):
        LayerConfig.from_json(json.loads(case.arguments))


# Drawing and shrinking


def test_drawing_depends_on_seed_and_count_alone():
    first = [case.id for case in draw_block(5, 60)]
    np.random.default_rng().random()
    draw_block(6, 10)
    assert [case.id for case in draw_block(5, 60)] == first
    assert [case.id for case in draw_block(6, 60)] != first
    program = "from depthwise_conformance.running.drawing import draw_block; print(*[c.id for c in draw_block(5, 60)])"
    other = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert other.stdout.split() == first


def test_drawing_does_not_depend_on_what_else_is_imported(tmp_path):
    """Hypothesis looks for interesting constants in all modules that are not installed packages."""
    (tmp_path / "project.py").write_text(f"INTERESTING = {list(range(100, 1000))}")
    draw = "from depthwise_conformance.running.drawing import draw_block; print(*[c.id for c in draw_block(0, 400)])"
    drawn = []
    for program in (draw, f"import sys; sys.path.append({str(tmp_path)!r}); import project; {draw}"):
        command = [sys.executable, "-P", "-c", program]
        drawn.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert drawn[0] == drawn[1]


def test_the_first_case_is_the_plainest_whatever_their_number():
    """Beyond that, fewer examples need not be a prefix of more: Hypothesis plans its draws by their number."""
    first = [draw_block(seed, count)[0] for seed in (0, 1) for count in (1, 5, 50)]
    assert len(set(first)) == 1
    assert extent(first[0])[0] == 2


@pytest.mark.parametrize("place", [0, 3, 59])
def test_the_search_finds_the_failing_case_again_and_shrinks_it(place):
    first = draw_block(0, 60)[place]
    asked: list[Case] = []

    def fails(case: Case) -> bool:
        asked.append(case)
        return case.dtype == first.dtype

    search(Draw(0, 60), first, fails, 30.0)
    assert first not in asked, "it is known to fail"
    smallest = min((case for case in asked if case.dtype == first.dtype), key=extent, default=first)
    assert extent(smallest) <= extent(first)
    assert extent(smallest)[0] <= 2
    assert len(asked) == len({case.id for case in asked}), "a case is asked once"


def test_the_search_stops_asking_when_the_time_is_up():
    asked: list[Case] = []
    search(Draw(0, 60), draw_block(0, 60)[40], lambda case: bool(asked.append(case)), 0.0)
    assert asked == []
