"""Arrays laid out otherwise in memory: the same numbers, and the strides that the name says."""

from __future__ import annotations

import numpy as np
import pytest
from worker_calls import ADAPTERS, forward

from depthwise_conformance.adapters.base import LAYOUTS
from depthwise_conformance.casebook.recipes import numpy_dtype
from depthwise_conformance.workers.layouts import laid_out
from depthwise_conformance.workers.protocol import Message
from depthwise_conformance.workers.worker import WorkerBrokenError

SHAPES = {"x": (2, 4, 5, 3), "kernel": (3, 2, 3, 4), "bias": (12,), "cotangent": (2, 2, 4, 12)}
TELLS = """
import sys
import numpy as np
sys.path.append({folder!r})
from misbehaving import Quiet

class Tells(Quiet):
    layouts = {layouts!r}

    def forward(self, config, x, kernel, bias):
        return np.float32(x.strides)
"""


def arrays(dtype: str = "float32") -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(0).standard_normal
    return {name: numbers(shape).astype(numpy_dtype(dtype)) for name, shape in SHAPES.items()}


def strides(array: np.ndarray) -> tuple[int, ...]:
    """In elements."""
    return tuple(stride // array.itemsize for stride in array.strides)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_numbers_are_the_same_in_memory_of_their_own(layout, channels_last, dtype):
    given = arrays(dtype)
    found = laid_out(given, layout, channels_last)
    for name, array in given.items():
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype)
        assert found[name].tobytes() == array.tobytes()
        assert not np.may_share_memory(found[name], array)
        assert found[name].flags.writeable


def test_transposed_memory_is_that_of_the_other_format():
    last, first = (laid_out(arrays(), "transposed", channels_last=last) for last in (True, False))
    assert strides(last["x"]) == (60, 5, 1, 20)
    assert strides(first["x"]) == (60, 1, 12, 4)
    assert strides(last["kernel"]) == strides(first["kernel"]) == (2, 1, 24, 6)
    assert strides(last["cotangent"]) == (96, 4, 1, 8)


@pytest.mark.parametrize(
    ("layout", "expected"),
    [("sliced", (336, 48, 6, 1)), ("every_second", (1386, 154, 14, 2)), ("reversed", (-60, -15, -3, -1))],
)
def test_strides_are_what_the_name_says(layout, expected):
    assert strides(laid_out(arrays(), layout, True)["x"]) == expected


@pytest.mark.parametrize("layout", ["sliced", "every_second"])
def test_what_lies_between_is_nan(layout):
    x = laid_out(arrays(), layout, True)["x"]
    whole = x.base
    assert np.isnan(whole).sum() == whole.size - x.size
    assert x[0, 0, 0, 0] == whole[1, 1, 1, 1]


def test_new_axes_have_no_stride():
    x = np.ones((1, 4, 1, 3), np.float32)
    assert strides(laid_out({"x": x}, "new_axes", True)["x"]) == (0, 3, 0, 1)


def test_an_unknown_layout_is_told():
    with pytest.raises(ValueError, match="layout 'diagonal': accepted are transposed, sliced"):
        laid_out(arrays(), "diagonal", True)


# By a worker


def ask(layout: str, of: str = "forward") -> Message:
    call = forward(1.0, (1, 2, 3, 1))
    return Message({**call.header, "operation": "laid_out", "of": of, "layout": layout}, call.arrays)


def telling(tmp_path, *layouts: str) -> str:
    (tmp_path / "tells.py").write_text(TELLS.format(folder=str(ADAPTERS.parent), layouts=layouts))
    return f"{tmp_path / 'tells.py'}:Tells"


def test_an_adapter_sees_the_layouts_that_it_names(start, tmp_path):
    worker = start(telling(tmp_path, "reversed", "new_axes"))
    ((one,), (other,), (declined,)) = worker.run([(ask("reversed"),), (ask("new_axes"),), (ask("sliced"),)])
    assert one.arrays["output"].tolist() == [-24, -12, -4, -4]
    assert other.arrays["output"].tolist() == [0, 12, 4, 0]
    assert (declined.kind, declined.message) == (
        "unsupported",
        "arrays that are not contiguous: the adapter passes on reversed, new_axes (its `layouts`)",
    )


def test_an_adapter_that_names_none_is_given_none(start):
    ((outcome,),) = start("Quiet").run([(ask("transposed"),)])
    assert outcome.kind == "unsupported"
    assert "passes on none" in outcome.message


def test_gradients_may_be_asked_for_too(start):
    ((outcome,),) = start("Quiet").run([(ask("transposed", "gradients"),)])
    assert outcome.kind == "unsupported"


def test_an_adapter_that_names_an_unknown_layout_does_not_start(start, tmp_path):
    with pytest.raises(WorkerBrokenError, match=r"layouts \['diagonal'\]: accepted are transposed, sliced"):
        start(telling(tmp_path, "diagonal")).start()
