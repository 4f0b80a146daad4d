"""Small layers with their arrays, and what the reference makes of them."""

import ml_dtypes
import numpy as np
from hypothesis import assume, settings
from hypothesis import strategies as st
from literal import literal_shape

from depthwise_conformance.reference import Arithmetic, Evaluation, LayerConfig, kernel_shape
from depthwise_conformance.reference.activations import ACTIVATIONS, Activation

EXACT = Arithmetic("exact", 0.0, "float64", "float64")
DTYPES = {"float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32, "float64": np.float64}
KINKS = {
    **{"relu": (0.0,), "relu6": (0.0, 6.0), "leaky_relu": (0.0,), "selu": (0.0,)},
    **dict.fromkeys(("soft_shrink", "hard_shrink"), (-0.5, 0.5)),
    **dict.fromkeys(("sparse_sigmoid", "hard_tanh"), (-1.0, 1.0)),
    **dict.fromkeys(("hard_sigmoid", "hard_silu", "hard_swish"), (-3.0, 3.0)),
}
ELEMENTWISE = [name for name, found in ACTIVATIONS.items() if isinstance(found, Activation)]


def bounded_output(config, x, kernel, bias, arithmetic):
    return Evaluation(config, x, kernel, bias).output(arithmetic)


def bounded_gradients(config, x, kernel, bias, cotangent, arithmetic):
    return Evaluation(config, x, kernel, bias, cotangent).gradients(arithmetic)


def parts(gradients):
    found = [("input", gradients.input), ("kernel", gradients.kernel), ("bias", gradients.bias)]
    return [(name, part) for name, part in found if part is not None]


def examples(count):
    return settings(max_examples=count, derandomize=True, deadline=None, database=None)


@st.composite
def configs(draw, activations=(None,), dtypes=("float64",), sizes=3, multipliers=3):
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return LayerConfig(
        kernel,
        draw(pair),
        draw(st.sampled_from(("valid", "same"))),
        draw(st.integers(1, multipliers)),
        draw(st.sampled_from(("channels_last", "channels_first"))),
        draw(pair),
        draw(st.sampled_from(activations)),
        draw(st.booleans()),
        dtype=draw(st.sampled_from(dtypes)),
        strided_dilation=True,
    )


@st.composite
def problems(draw, size=6, channels=3, batch=2, scales=(1.0,), **kwargs):
    """A layer and its arrays: x, kernel, bias and cotangent."""
    config = draw(configs(**kwargs))
    shape = (draw(st.integers(0, batch)), draw(st.integers(1, size)), draw(st.integers(1, size)))
    c = draw(st.integers(1, channels))
    shape = (*shape, c) if config.channels_last else (shape[0], c, *shape[1:])
    outputs = literal_shape(config, shape)
    assume(min(outputs[1:]) > 0)
    if config.activation == "glu":
        assume(outputs[3] % 2 == 0)
        outputs = (*outputs[:3], outputs[3] // 2)
    random = np.random.default_rng(draw(st.integers(0, 10_000)))

    def array(*sizes):
        return (random.standard_normal(sizes) * draw(st.sampled_from(scales))).astype(DTYPES[config.dtype])

    bias = array(c * config.depth_multiplier) if config.use_bias else None
    return config, array(*shape), array(*kernel_shape(config, c)), bias, array(*outputs)
