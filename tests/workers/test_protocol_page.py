"""`docs/protocol.md` says what is so: `python tests/workers/test_protocol_page.py` writes its exchange anew."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from depthwise_conformance.adapters.base import LAYOUTS
from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.reference import Evaluation, LayerConfig, expected_arithmetic, split_shape
from depthwise_conformance.reference.activations import OVER_LAST_AXIS
from depthwise_conformance.reference.geometry import spatial_axes
from depthwise_conformance.workers.outcomes import read_outcome
from depthwise_conformance.workers.protocol import PREFIX, Message, decode, encode, frame_sizes
from depthwise_conformance.workers.worker import WINDOW

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
DUMP = re.compile(r"```\n((?:0[0-9a-f]{3}  .*\n)+)```")
X, KERNEL = np.float32([10, 20]).reshape(1, 1, 1, 2), np.float32([1, 2, 3, 4]).reshape(1, 1, 2, 2)
ARGUMENTS = {"kernel_size": [1, 1], "depth_multiplier": 2, "use_bias": False}
REQUEST = Message({"type": "run", "id": 7, "operation": "forward", "arguments": ARGUMENTS}, {"x": X, "kernel": KERNEL})
ANSWER = Message(
    {"type": "result", "id": 7, "outcome": "value"}, {"output": np.float32([10, 20, 60, 80]).reshape(1, 1, 1, 4)}
)


def frame(message: Message) -> bytes:
    return b"".join(bytes(piece) for piece in encode(message))


def dump(data: bytes) -> str:
    """Sixteen bytes a line: where they are, in hex, as text."""
    lines = ((at, data[at : at + 16]) for at in range(0, len(data), 16))
    texts = ((at, part, "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)) for at, part in lines)
    return "".join(f"{at:04x}  {part.hex(' '):<47}  {text}".rstrip() + "\n" for at, part, text in texts)


def undump(text: str) -> bytes:
    return b"".join(bytes.fromhex(line[6:53]) for line in text.splitlines())


def shown() -> list[str]:
    return DUMP.findall(PAGE.read_text("utf-8"))


def test_the_pages_bytes_are_those_of_the_protocol():
    assert shown() == [dump(frame(REQUEST)), dump(frame(ANSWER))]


def test_the_pages_bytes_are_an_exchange():
    messages = []
    for data in map(undump, shown()):
        header, payload = frame_sizes(data)
        assert len(data) == PREFIX.size + header + payload
        messages.append(decode(data[PREFIX.size : PREFIX.size + header], data[PREFIX.size + header :]))
    request, answer = messages
    assert answer.header["id"] == request.header["id"]
    outcome = read_outcome(request, answer)
    config = LayerConfig.from_json(request.header["arguments"])
    evaluation = Evaluation(config, request.arrays["x"], request.arrays["kernel"], None)
    expected = evaluation.output(expected_arithmetic("float32"))
    assert np.array_equal(outcome.arrays["output"], expected.value)


@pytest.mark.parametrize("case", catalogue(1), ids=lambda case: case.id)
def test_the_pages_formulas_are_those_of_the_reference(case):
    """Windows and zeros, axis by axis."""
    _, height, width, _ = split_shape(case.config, case.input_shape)
    axes = zip((height, width), case.config.kernel_size, case.config.strides, case.config.dilation_rate, strict=True)
    for (size, kernel, stride, dilation), axis in zip(axes, spatial_axes(case.config, height, width), strict=True):
        span = (kernel - 1) * dilation + 1
        if case.config.padding == "valid":
            windows, zeros = (size - span) // stride + 1, 0
        else:
            windows = -(-size // stride)
            zeros = max((windows - 1) * stride + span - size, 0)
        assert (axis.output, axis.before) == (windows, zeros // 2)
        if case.config.padding == "same":
            assert axis.after == zeros - zeros // 2


def test_the_page_names_every_argument_that_comes():
    text = PAGE.read_text("utf-8")
    for name in ("kernel_size", "strides", "dilation_rate", "padding", "depth_multiplier", "data_format", "activation"):
        assert f"`{name}`" in text
    for name in ("use_bias", "dtype", "strided_dilation", "claims", "cases", "traceback", "printed"):
        assert f"`{name}`" in text
    assert all(f"| `{name}` | " in text for name in LAYOUTS)
    assert WINDOW == 24, "two dozen requests may be under way"
    assert all(f"`{name}`" in text for name in OVER_LAST_AXIS)


if __name__ == "__main__":
    frames = iter((REQUEST, ANSWER))
    PAGE.write_text(DUMP.sub(lambda _: f"```\n{dump(frame(next(frames)))}```", PAGE.read_text("utf-8")), "utf-8")
