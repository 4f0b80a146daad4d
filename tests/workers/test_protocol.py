"""Frames: arrays of every kind survive them, and nothing that is not a frame is ever believed."""

from __future__ import annotations

import io
import json
import pickle
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from depthwise_conformance.casebook.recipes import numpy_dtype
from depthwise_conformance.workers import protocol
from depthwise_conformance.workers.protocol import (
    DTYPES,
    MAGIC,
    MAX_HEADER,
    MAX_PAYLOAD,
    PREFIX,
    Message,
    ProtocolError,
    decode,
    encode,
    frame_sizes,
)
from depthwise_conformance.workers.server import serve

quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def frame(message: Message) -> bytes:
    return b"".join(encode(message))


def read(data: bytes) -> Message:
    header, payload = frame_sizes(data)
    end = PREFIX.size + header
    assert len(data) == end + payload
    return decode(data[PREFIX.size : end], data[end:])


def round_trip(*arrays: np.ndarray) -> list[np.ndarray]:
    sent = Message({"type": "run"}, {f"array {i}": array for i, array in enumerate(arrays)})
    got = read(frame(sent))
    assert got.header == sent.header
    assert list(got.arrays) == list(sent.arrays)
    return list(got.arrays.values())


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """The same numbers, bit by bit, whatever the byte order and the memory layout."""
    native = one.astype(one.dtype.newbyteorder("="))
    return (native.dtype, native.shape, native.tobytes()) == (other.dtype, other.shape, other.tobytes())


# What survives


@quick
@given(st.data())
def test_arrays_survive(data):
    shapes = hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5)
    arrays = []
    for _ in range(data.draw(st.integers(0, 3))):
        dtype = numpy_dtype(data.draw(st.sampled_from(sorted(DTYPES))))
        shape = data.draw(shapes)
        count = int(np.prod(shape)) * dtype.itemsize
        bits = np.random.PCG64(data.draw(st.integers(0, 99))).random_raw(count) % (2 if dtype.kind == "b" else 256)
        arrays.append(bits.astype(np.uint8).view(dtype).reshape(shape))
    for sent, got in zip(arrays, round_trip(*arrays), strict=True):
        assert same(sent, got)
        assert got.flags.writeable and got.flags.c_contiguous and got.flags.aligned and got.flags.owndata


@pytest.mark.parametrize(
    "array",
    [
        np.array(1.5, np.float16),
        np.zeros((0, 3, 2), ml_dtypes.bfloat16),
        np.arange(24.0).reshape(2, 3, 4)[:, ::-1, ::2],
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.broadcast_to(np.float32(2), (3, 4)),
        np.arange(6, dtype=">f4").reshape(2, 3),
        np.arange(6, dtype=">i8")[::-2],
        np.array([np.nan, -np.nan, np.inf, -0.0, 5e-324]),
        np.array([1, 2, 3], ml_dtypes.bfloat16)[::-1],
        np.ma.masked_array([1.0, 2.0], [True, False]),
    ],
    ids=["0-d", "empty", "reversed", "fortran", "broadcast", ">f4", ">i8", "specials", "bfloat16", "masked"],
)
def test_layouts_survive(array):
    (got,) = round_trip(array)
    assert type(got) is np.ndarray
    assert same(np.asarray(array), got)


@pytest.mark.parametrize("dtype", [object, np.longdouble, "S3", "U3", "datetime64[s]", [("a", "f4")]])
def test_what_frames_do_not_carry_is_refused_by_the_sender(dtype):
    with pytest.raises(ValueError, match="cannot be sent; accepted are bfloat16, bool, "):
        encode(Message({"type": "run"}, {"x": np.zeros(2, dtype)}))


def test_text_survives_whatever_it_holds():
    text = "\x00\x1b[2J\ud800 \U0001f600 </script>\r\n" + 'DWC1"}'
    assert read(frame(Message({"type": "result", "message": text}))).header["message"] == text


# What is not believed


@quick
@given(st.binary(max_size=64))
@example(b"")
@example(MAGIC)
@example(PREFIX.pack(MAGIC, MAX_HEADER + 1, 0))
@example(PREFIX.pack(MAGIC, 2, MAX_PAYLOAD + 1))
@example(PREFIX.pack(b"DWC2", 2, 0))
@example(b"a framework's progress report\n" * 1000)
def test_what_does_not_begin_like_a_frame_is_refused_in_few_words(data):
    with pytest.raises(ProtocolError) as caught:
        frame_sizes(data)
    assert len(str(caught.value)) < 200


ENTRY = {"name": "x", "dtype": "float32", "shape": [2], "offset": 0}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xff\xfe",
        b"[" * 1_000_000,
        b'{"type": "run", "arrays": ' + b"[" * 1_000_000,
        b'{"type": "run", "arrays": [' + b"9" * 5000 + b"]}",
        *(json.dumps(value).encode() for value in (None, 1, "text", [], ["arrays"], {}, {"type": "run"})),
        *(json.dumps({"type": kind, "arrays": []}).encode() for kind in (None, 1, ["run"])),
        *(json.dumps({"type": "run", "arrays": entries}).encode() for entries in (None, 1, {"x": ENTRY}, ["x"], [[]])),
        json.dumps({"type": "run", "arrays": [ENTRY, {**ENTRY, "name": "the same bytes"}]}).encode(),
    ],
)
def test_malformed_headers_are_refused(header):
    with pytest.raises(ProtocolError):
        decode(header, b"12345678")


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": ["x"]},
        {"dtype": "object"},
        {"dtype": "float128"},
        {"dtype": "<f4"},
        {"dtype": ["float32"]},
        {"shape": None},
        {"shape": "2"},
        {"shape": [-2]},
        {"shape": [2.0]},
        {"shape": [True]},
        {"shape": [3]},
        {"shape": [2**40]},
        {"shape": [2**62, 2**62]},
        {"shape": [2**70]},
        {"shape": [0, 2**70]},
        {"shape": [1] * 65 + [2]},
        {"offset": -4},
        {"offset": 4},
        {"offset": 2**70},
        {"offset": None},
    ],
    ids=str,
)
def test_malformed_array_entries_are_refused_before_memory_is_taken(change):
    header = json.dumps({"type": "run", "arrays": [{**ENTRY, **change}]}).encode()
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError):
            decode(header, b"12345678")
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@quick
@given(st.data())
def test_a_damaged_frame_is_read_or_refused(data):
    """One byte changed, or the end cut off, anywhere behind the prefix."""
    whole = bytearray(
        frame(Message({"type": "run", "seconds": 1.5}, {"x": np.arange(3.0), "y": np.ones((2, 2), "i1")}))
    )
    header, _ = frame_sizes(whole)
    if data.draw(st.booleans()):
        whole[data.draw(st.integers(PREFIX.size, len(whole) - 1))] = data.draw(st.integers(0, 255))
    else:
        del whole[data.draw(st.integers(PREFIX.size, len(whole) - 1)) :]
    try:
        message = decode(whole[PREFIX.size :][:header], whole[PREFIX.size + header :])
    except ProtocolError:
        return
    assert isinstance(message.header["type"], str)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("it was unpickled",))


def test_nothing_is_unpickled():
    bomb = pickle.dumps(Bomb())
    with pytest.raises(ProtocolError):
        frame_sizes(bomb)
    with pytest.raises(ProtocolError):
        decode(bomb, b"")
    entry = {"name": "x", "dtype": "uint8", "shape": [len(bomb)], "offset": 0}
    message = decode(json.dumps({"type": "run", "arrays": [entry]}).encode(), bomb)
    assert message.arrays["x"].tobytes() == bomb
    assert not {"pickle", "marshal", "shelve", "dill"} & set(vars(protocol))


# The worker's side of it


def answers(*requests: Message) -> list[Message]:
    sink = io.BytesIO()
    serve(io.BytesIO(b"".join(map(frame, requests))), sink)
    data, got = sink.getvalue(), []
    while data:
        end = PREFIX.size + sum(frame_sizes(data))
        got.append(read(data[:end]))
        data = data[end:]
    return got


START = {"type": "start", "protocol": protocol.VERSION, "adapter": "honest:Honest", "device": "cpu", "mode": ""}


def test_a_conversation():
    arrays = {"x": np.ones((1, 2, 2, 1), np.float32), "kernel": np.ones((2, 2, 1, 1), np.float32)}
    arguments = {"kernel_size": 2, "use_bias": False}
    call = {"type": "run", "operation": "forward", "arguments": arguments, "id": 7}
    started, result = answers(Message(START), Message(call, arrays), Message({"type": "stop"}), Message(START))
    assert (started.header["type"], started.header["name"]) == ("started", "honest")
    assert (result.header["type"], result.header["outcome"], result.header["id"]) == ("result", "value", 7)
    assert result.arrays["output"].tolist() == [[[[4.0]]]]


def test_a_worker_of_another_protocol_says_so():
    (reply,) = answers(Message({**START, "protocol": 99}))
    assert reply.header["type"] == "failed"
    assert "protocol 99; this worker speaks 1" in reply.header["message"]


@pytest.mark.parametrize("start", [{"type": "start"}, {**START, "adapter": None}, {**START, "adapter": "nonesuch:A"}])
def test_a_malformed_start_fails(start):
    (reply,) = answers(Message(start))
    assert reply.header["type"] == "failed"


def test_nothing_is_run_before_the_start():
    (reply,) = answers(Message({"type": "run", "operation": "forward", "arguments": {}}))
    assert reply.header == {"type": "failed", "message": "nothing has been started", "id": None}
