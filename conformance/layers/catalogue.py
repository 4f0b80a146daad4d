"""The cases of the layer's own checks: every argument in every way it may be given, and draws of all together.

All but those of `defaults` give `data_format`, so that no user's Keras configuration has a part in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from depthwise_conformance.casebook.case import HOMES, Data, LayerCase, canonical
from depthwise_conformance.casebook.recipes import SPECIAL
from depthwise_conformance.casebook.strategies import cases

Shape = tuple[int, int, int, int]
Arguments = dict[str, Any]
LAST: Arguments = {"data_format": "channels_last"}
FIRST: Arguments = {"data_format": "channels_first"}
SMALL: Shape = (2, 6, 5, 3)
WHOLE_NUMBERS, ROUGH = Data(), Data("uniform", 3)
EXTREME = (SPECIAL, "s1", "s5", "underflow")  # whose sums of squares, in losses and norms, are beyond the format
EXAMPLE = "example"
PRINTED = (4, 8, 8, 36)  # the shape that the documentation prints for its example

SHAPES = ("compute_output_shape", "symbolic_shape")
WHOLE = ("build", "attributes", "weights", "assign", "call", "loss", *SHAPES)
USED = ("build", "attributes", "assign", "call", "loss")
TRAINED = ("gradients", "step", "weights")
AGAIN = ("config", "recreate", "config", "build", "weights", *USED[1:], "compute_output_shape", "step", "weights")
SAVED = ("build", "config", "assign", "reload", "config", "attributes", "weights", "call", "loss", "step", "weights")
UPDATED = ("build", "assign", "weights", "step", "weights")
PENALIZED = ("build", "assign", "call", "loss", "gradients")
FITTED = ("build", "assign", "fit", "weights")

L1, L2, BOTH = (
    {"class_name": n, "config": c}
    for n, c in (("L1", {"l1": 0.25}), ("L2", {"l2": 0.5}), ("L1L2", {"l1": 0.125, "l2": 0.25}))
)
REGULARIZERS = ("l1", "l2", "l1_l2", L1, L2, BOTH, {"function": "sum_of_squares"})


def _norm(name: str, **config: Any) -> Arguments:
    return {"class_name": name, "config": config}


KERNEL_CONSTRAINTS = (
    *("non_neg", "NonNeg", "max_norm", "unit_norm", "min_max_norm", {"function": "halved"}),
    *(_norm("MaxNorm", max_value=0.5, axis=axis) for axis in (0, 1, 2, 3, [0, 1], [0, 1, 2])),
    *(_norm("UnitNorm", axis=axis) for axis in (3, [0, 1], [0, 1, 2])),
    _norm("MinMaxNorm", min_value=0.75, max_value=1.0, axis=[0, 1]),
    _norm("MinMaxNorm", min_value=0.25, max_value=0.5, rate=0.5, axis=[0, 1, 2]),
)
BIAS_CONSTRAINTS = (
    "non_neg",
    "max_norm",
    "unit_norm",
    "min_max_norm",
    {"function": "halved"},
    _norm("MaxNorm", max_value=0.5),
)
INITIALIZERS = (
    *("zeros", "ones", "constant", "random_normal", "random_uniform", "truncated_normal", "variance_scaling"),
    *("glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal"),
    *("HeNormal", {"function": "halves"}, _norm("Constant", value=0.3)),
    *(_norm("RandomUniform", minval=-1.0, maxval=0.5), _norm("RandomNormal", mean=1.0, stddev=0.5)),
    _norm("TruncatedNormal", mean=0.5, stddev=0.25),
    _norm("VarianceScaling", scale=2.0, mode="fan_out", distribution="uniform"),
    _norm("VarianceScaling", scale=0.5, mode="fan_avg", distribution="untruncated_normal"),
    *(
        _norm(name, seed=7)
        for name in ("RandomNormal", "RandomUniform", "TruncatedNormal", "GlorotUniform", "HeNormal")
    ),
)
FOR_KERNELS = ("orthogonal", _norm("Orthogonal", gain=2.0), _norm("Orthogonal", seed=7))


def layer_cases() -> tuple[LayerCase, ...]:
    """The cases of every check, the plainest first."""
    makers: tuple[Callable[[], Iterator[LayerCase]], ...] = (
        *(_defaults, _arguments, _initializers, _regularizers, _constraints),
        *(_shapes, _configurations, _files, _training),
    )
    return tuple(case for make in makers for case in make())


@st.composite
def drawn_layer_cases(draw: st.DrawFn) -> LayerCase:
    """Layers whose arguments all differ from their defaults now and then, for the checks that take any of them."""
    base = draw(cases().filter(lambda case: not case.config.strided_dilation and case.input_shape[0] > 0))
    check, steps = draw(st.sampled_from((("config_roundtrip", AGAIN), ("save_load", SAVED), ("arguments", WHOLE))))
    arguments = {**base.config.to_json(), "data_format": base.config.data_format, **_extras(draw)}
    arguments.pop("dtype", None)
    recipe = "integers" if base.data.recipe in EXTREME else base.data.recipe
    return LayerCase(check, canonical(arguments), base.input_shape, steps, data=replace(base.data, recipe=recipe))


def _extras(draw: st.DrawFn) -> Arguments:
    given = {
        "depthwise_regularizer": draw(st.sampled_from((None, L1, L2, BOTH))),
        "bias_regularizer": draw(st.sampled_from((None, L1, L2))),
        "depthwise_constraint": draw(st.sampled_from((None, "non_neg", KERNEL_CONSTRAINTS[8], KERNEL_CONSTRAINTS[11]))),
        "bias_constraint": draw(st.sampled_from((None, "non_neg", "max_norm"))),
        "depthwise_initializer": draw(st.sampled_from((None, "ones", _norm("Constant", value=0.3)))),
        "bias_initializer": draw(st.sampled_from((None, "ones"))),
        "trainable": draw(st.sampled_from((None, None, False))),
    }
    return {name: value for name, value in given.items() if value is not None}


def _case(
    check: str,
    steps: tuple[str, ...],
    arguments: Arguments,
    shape: Shape = SMALL,
    about: str = "",
    data: Data = WHOLE_NUMBERS,
) -> LayerCase:
    return LayerCase(check, canonical({"kernel_size": 2, **LAST, **arguments}), shape, steps, about, data)


def _defaults() -> Iterator[LayerCase]:
    for home in (name for name in HOMES if name not in ("", "keras_home")):
        shape = (2, 3, 8, 7) if home == "channels_first" else SMALL
        about = "" if home == "none" else "data_format"
        yield LayerCase("defaults", canonical({"kernel_size": 3}), shape, (*WHOLE, "step", "weights"), about, home=home)
    told = ("build", "weights", "config")  # in all of which either data format shows, on one input shape
    yield LayerCase("defaults", canonical({"kernel_size": 3}), SMALL, told, "data_format", home="keras_home")
    yield LayerCase(
        "defaults", canonical({"kernel_size": 3, **LAST}), SMALL, WHOLE, "data_format", home="channels_first"
    )
    ordered = canonical(
        [[3, 2], 1, "same", 2, "channels_last", [2, 1], "relu", True, "ones", "ones", L2, L1, None, "non_neg"]
    )
    steps = ("build", "weights", "assign", "call", "loss", "step", "weights")
    yield LayerCase("defaults", "{}", (1, 6, 5, 3), steps, "positional", positional=ordered, home="none")
    example = {"arguments": canonical({"activation": "relu"}), "positional": canonical([3, 3]), "home": "none"}
    yield LayerCase("defaults", input_shape=(4, 10, 10, 12), steps=("call",), about=EXAMPLE, data=ROUGH, **example)


def _arguments() -> Iterator[LayerCase]:
    ways: Mapping[str, tuple[Any, ...]] = {
        "kernel_size": (1, 3, [2, 3], {"tuple": [3, 2]}),
        "strides": (1, 2, [2, 2], {"tuple": [2, 2]}),
        "dilation_rate": (1, 2, [2, 1], {"tuple": [1, 2]}),
        "padding": ("valid", "same", "VALID", "SAME", "Same", "sAmE"),
        "depth_multiplier": (1, 2, 3, 8),
        "use_bias": (True, False),
        "activation": (None, "linear", "relu", {"function": "halved"}),
        "name": ("mine",),
        "dtype": ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"),
    }
    for name, values in ways.items():
        yield from (_case("arguments", WHOLE, {name: value}, about=name) for value in values)
    yield _case("arguments", WHOLE, FIRST, (2, 3, 6, 5), "data_format")
    yield _case("arguments", (*USED, "gradients"), {"activation": {"function": "halved"}}, about="activation")
    for policy in ("mixed_float16", "mixed_bfloat16"):
        yield _case("arguments", ("build", "assign", "weights"), {"dtype": policy}, about="dtype", data=ROUGH)
    for trainable in (True, False):
        yield _case("arguments", (*USED, *TRAINED), {"trainable": trainable}, about="trainable")


def _initializers() -> Iterator[LayerCase]:
    steps = ("build", "weights")
    large: Arguments = {"kernel_size": 3, "depth_multiplier": 4}
    for name in ("depthwise_initializer", "bias_initializer"):
        yield _case("initializers", steps, {**large, name: None}, (1, 3, 3, 64), name)
    for spec in INITIALIZERS:
        both = {"depth_multiplier": 8, "depthwise_initializer": spec, "bias_initializer": spec}
        yield _case("initializers", steps, {**large, **both}, (1, 3, 3, 512))
    # Where a few draws are made at once, and the first within two deviations is taken, one in 200,000 is outside.
    cut = _norm("TruncatedNormal", seed=7)
    many = {"kernel_size": 8, "depth_multiplier": 16, "use_bias": False, "depthwise_initializer": cut}
    yield _case("initializers", steps, many, (1, 8, 8, 1024))
    for spec in FOR_KERNELS:
        given = {**large, "depthwise_initializer": spec}
        yield _case("initializers", steps, given, (1, 3, 3, 64), "depthwise_initializer")
    yield _case("initializers", steps, {"kernel_size": [2, 5], "depth_multiplier": 3}, (1, 4, 6, 7))
    yield _case("initializers", steps, {"depth_multiplier": 64, **FIRST}, (1, 5, 3, 3))


def _regularizers() -> Iterator[LayerCase]:
    for name in ("depthwise_regularizer", "bias_regularizer", "activity_regularizer"):
        for spec in REGULARIZERS:
            yield _case("regularizers", PENALIZED, {name: spec}, (1, 4, 5, 3), name)
    for spec in (L1, L2):
        given = {"activity_regularizer": spec}
        yield _case("regularizers", PENALIZED, given, (2, 4, 5, 3), "activity_regularizer")
        yield _case("regularizers", PENALIZED, {**given, **FIRST}, (4, 3, 5, 6), "activity_regularizer")
        behind = {**given, "activation": "relu"}
        yield _case("regularizers", PENALIZED[:-1], behind, (1, 4, 5, 3), "activity_regularizer")
    for name in ("depthwise_regularizer", "bias_regularizer"):
        yield _case("regularizers", PENALIZED, {name: L2}, (3, 4, 5, 3), name)
    all_three = dict.fromkeys(("depthwise_regularizer", "bias_regularizer", "activity_regularizer"), L2)
    yield _case("regularizers", PENALIZED, {"depth_multiplier": 2, **all_three}, (1, 4, 5, 3))
    yield _case("regularizers", ("build", "assign", "call", "call", "loss"), all_three, (1, 4, 5, 3))


def _constraints() -> Iterator[LayerCase]:
    for name, specs in (("depthwise_constraint", KERNEL_CONSTRAINTS), ("bias_constraint", BIAS_CONSTRAINTS)):
        for spec in specs:
            yield _case("constraints", UPDATED, {"depth_multiplier": 2, name: spec}, about=name, data=ROUGH)
    tall = {"kernel_size": [16, 1], "depthwise_constraint": "max_norm"}  # whose norms exceed the default maximum
    yield _case("constraints", UPDATED, tall, (1, 16, 5, 3), "depthwise_constraint", ROUGH)
    long = {"depth_multiplier": 8, "bias_constraint": "max_norm"}
    yield _case("constraints", UPDATED, long, about="bias_constraint", data=ROUGH)


def _shapes() -> Iterator[LayerCase]:
    for given in (LAST, FIRST):
        shape = (2, 7, 6, 3) if given is LAST else (2, 3, 7, 6)
        ways: tuple[Arguments, ...] = (
            *({}, {"padding": "same"}, {"strides": 2}, {"strides": 3, "padding": "same"}, {"dilation_rate": 2}),
            *({"kernel_size": [3, 2], "dilation_rate": [1, 3], "padding": "same"}, {"depth_multiplier": 4}),
            {"kernel_size": [7, 6]},
        )
        yield from (_case("shape_inference", SHAPES, {**arguments, **given}, shape) for arguments in ways)
    yield _case("shape_inference", SHAPES, {"activation": "glu"}, (2, 7, 6, 4), "activation")


def _singly() -> Iterator[tuple[str, Arguments]]:
    """Every argument away from its default, one at a time."""
    yield "kernel_size", {"kernel_size": [3, 2]}
    yield "strides", {"strides": 2}
    yield "padding", {"padding": "SAME"}
    yield "depth_multiplier", {"depth_multiplier": 3}
    yield "dilation_rate", {"dilation_rate": [2, 1]}
    yield "activation", {"activation": "relu"}
    yield "use_bias", {"use_bias": False}
    yield "depthwise_initializer", {"depthwise_initializer": _norm("Constant", value=0.3)}
    yield "bias_initializer", {"bias_initializer": "ones"}
    yield "depthwise_regularizer", {"depthwise_regularizer": BOTH}
    yield "bias_regularizer", {"bias_regularizer": L1}
    yield "activity_regularizer", {"activity_regularizer": L2}
    yield "depthwise_constraint", {"depthwise_constraint": _norm("MaxNorm", max_value=0.5, axis=[0, 1])}
    yield "bias_constraint", {"bias_constraint": "non_neg"}
    yield "trainable", {"trainable": False}
    yield "name", {"name": "mine"}
    yield "dtype", {"dtype": "mixed_float16"}


def _configurations() -> Iterator[LayerCase]:
    yield _case("config_roundtrip", AGAIN, {})
    for name, given in _singly():
        steps = AGAIN if name != "dtype" else AGAIN[:-2]
        yield _case("config_roundtrip", steps, given, (1, 6, 5, 3), name)
    yield _case("config_roundtrip", AGAIN, FIRST, (1, 3, 6, 5), "data_format")
    anew = ("build", "assign", "recreate", "build", "weights")
    yield _case("config_roundtrip", anew, {"depthwise_initializer": "ones"})


def _files() -> Iterator[LayerCase]:
    for name, given in _singly():
        if name not in ("kernel_size", "strides", "padding", "depth_multiplier", "dilation_rate"):
            steps = SAVED if name != "dtype" else SAVED[:-2]
            yield _case("save_load", steps, given, (1, 6, 5, 3), name)
    geometry = {"kernel_size": [3, 2], "padding": "same", "dilation_rate": [2, 1], "depth_multiplier": 3}
    yield _case("save_load", SAVED, {**geometry, **FIRST}, (1, 3, 6, 5))


def _training() -> Iterator[LayerCase]:
    yield _case("training", FITTED, {})
    for name, given in _singly():
        if name in ("use_bias", "activation", "depthwise_regularizer", "depthwise_constraint", "trainable"):
            yield _case("training", FITTED, given, about=name, data=ROUGH)
    for name in ("bias_regularizer", "activity_regularizer", "bias_constraint"):
        yield _case("training", FITTED, dict(_singly())[name], (1, 6, 5, 3), name)
    strided = {"strides": 2, "padding": "same", "depth_multiplier": 2}
    yield _case("training", FITTED, strided, (4, 7, 7, 3), data=ROUGH)
    yield _case("training", FITTED, FIRST, (2, 3, 6, 5), "data_format", ROUGH)
