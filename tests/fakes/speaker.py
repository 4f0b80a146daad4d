"""A worker of its own, started as `python speaker.py FAULT`: it breaks one thing of the protocol, `good` nothing."""

from __future__ import annotations

import json
import os
import select
import struct
import sys
import time

import numpy as np
from honest import Honest

from depthwise_conformance.adapters.base import Unsupported
from depthwise_conformance.workers.protocol import PREFIX, Message, decode, encode, frame_sizes
from depthwise_conformance.workers.server import Server

FAULT = sys.argv[1]
STARTED = {
    "type": "started",
    "protocol": 1,
    "name": "speaker",
    "versions": {"speaker": "1"},
    "devices": ["cpu"],
    "dtypes": ["float32", "float64"],
    "modes": [],
    "unsupported": {},
    "claims": 'activation == "linear" and dilation == 1',
}
# What `started` says instead, by the fault.
CHANGED = {
    "other-protocol": {"protocol": "1"},
    "no-name": {"name": ""},
    "numbered-versions": {"versions": {"speaker": 1}},
    "listed-unsupported": {"unsupported": []},
    "one-device": {"devices": "cpu"},
    "no-devices": {"devices": []},
    "no-dtypes": {"dtypes": []},
    "short-dtypes": {"dtypes": ["f32"]},
    "no-modes": {"modes": None},
    "foreign-claims": {"claims": "kernel == 3 || stride == 1"},
    "numbered-claims": {"claims": 3},
    "empty-claims": {"claims": 'dtype == "float16"'},
    "foreign-arithmetic": {"arithmetic": {"float32": "fast"}},
    "elsewhere": {"devices": ["cuda:0"]},
    "half-precision": {"dtypes": ["float32", "float16"], "arithmetic": {"float32": "TF32 products"}},
}
DEVICES: list[str] = []  # on which it was started


class Speaker(Honest):
    """Honest within its claims, but for the fault."""

    def forward(self, config, x, kernel, bias):
        if config.activation not in (None, "linear") or max(config.dilation_rate) > 1:
            raise (
                ValueError("too hard")
                if FAULT == "raises-unclaimed"
                else Unsupported("" if FAULT == "no-reason" else "no")
            )
        if FAULT == "prints":
            os.write(1, b"one more call\n")
        if FAULT == "dies":
            os.abort()
        if FAULT == "no-bias" and bias is not None:
            bias = np.zeros_like(bias)
        if FAULT == "flipped-kernel":
            kernel = kernel[::-1, ::-1]
        if FAULT == "grouped-kernel":
            kernel = kernel.reshape(*kernel.shape[2:], *kernel.shape[:2]).transpose(2, 3, 0, 1)
        if FAULT == "zeros-before" and config.padding == "same":
            axes = (1, 2) if config.channels_last else (2, 3)
            return np.flip(super().forward(config, np.flip(x, axes), kernel[::-1, ::-1], bias), axes)
        if FAULT == "memory-order":
            x = x.ravel(order="K").reshape(x.shape)
        y = super().forward(config, x, kernel, bias)
        channels, multiplier = kernel.shape[2:]
        if FAULT == "channel-order" and config.channels_last:
            return y.reshape(*y.shape[:3], channels, multiplier).swapaxes(3, 4).reshape(y.shape)
        if FAULT == "one-format" and not config.channels_last:
            return np.ascontiguousarray(y.transpose(0, 2, 3, 1)).reshape(y.shape)
        if FAULT == "last-shape" and not config.channels_last:
            return y.transpose(0, 2, 3, 1)
        return y.astype(np.float32) if FAULT == "float32-only" else y

    def gradients(self, *arguments):
        raise KeyError("gradients") if FAULT == "raises-gradients" else Unsupported("no gradients")

    def output_shape(self, config, input_shape):
        return input_shape if FAULT == "wrong-shape" else super().output_shape(config, input_shape)

    def layer(self, *positional, **arguments):
        raise Unsupported("a raw operation")


def read(count: int) -> bytes:
    """So many bytes, fewer at the end."""
    data = b""
    while len(data) < count and (more := os.read(0, count - len(data))):
        data += more
        if FAULT == "short-reads":
            break
    return data


def receive() -> Message | None:
    if len(prefix := read(PREFIX.size)) < PREFIX.size:
        return None
    header, payload = frame_sizes(prefix)
    return decode(read(header), read(payload))


def send(header: dict, arrays=None) -> None:
    frame = b"".join(bytes(piece) for piece in encode(Message(header, arrays or {})))
    sizes = PREFIX.unpack(frame[: PREFIX.size])
    if FAULT == "other-magic":
        frame = b"DWC2" + frame[4:]
    if FAULT == "big-endian":
        frame = struct.pack(">4sIQ", *sizes) + frame[PREFIX.size :]
    if FAULT == "no-prefix":
        frame = json.dumps(header).encode() + b"\n"
    if FAULT == "header-alone":
        frame = frame[4:]
    if FAULT == "half-a-frame":
        frame = frame[:-2]
    while frame:
        frame = frame[os.write(1, frame) :]


def answer(server: Server, message: Message) -> None:
    if FAULT == "wants-ids":
        message.header["id"]
    if FAULT == "elsewhere" and DEVICES[-1] == "cpu":
        sys.exit("asked on the CPU, which it has not")
    if FAULT == "dies-of-the-unknown" and message.header["operation"] == "nonesuch":
        sys.exit(3)
    if FAULT == "does-anything" and message.header["operation"] == "nonesuch":
        message = Message({**message.header, "operation": "forward"}, {"x": np.zeros(1), "kernel": np.zeros(1)})
        send({"type": "result", "outcome": "value", "id": message.header.get("id")})
        return
    result = server.answer(message)
    header, arrays = {**result.header, "id": message.header.get("id")}, dict(result.arrays)
    if FAULT == "no-ids":
        del header["id"]
    if FAULT == "no-type":
        header["type"] = "answer"
    if FAULT == "other-outcome":
        header["outcome"] = "ok"
    if FAULT == "other-array" and "output" in arrays:
        arrays = {"y": arrays["output"]}
    send(header, arrays)


def start(message: Message) -> Server | None:
    DEVICES.append(message.header["device"])
    header = {**STARTED, **CHANGED.get(FAULT, {}), "id": message.header.get("id")}
    if FAULT == "cannot-start":
        header = {"type": "failed", "message": "there is no such device", "id": message.header.get("id")}
    elif FAULT == "hello":
        header["type"] = "hello"
    elif message.header["protocol"] != 1 and FAULT != "any-protocol":
        header = {"type": "failed", "message": "I speak protocol 1", "id": message.header.get("id")}
    send(header)
    return Server(Speaker())


def main() -> None:
    server = None
    if FAULT == "greets":
        os.write(1, b"ready\n")
    if FAULT == "silent":
        time.sleep(60)
    while (message := receive()) is not None and message.header["type"] != "stop":
        if message.header["type"] == "start":
            server = start(message)
            continue
        if FAULT == "out-of-order" and select.select([0], [], [], 0.05)[0]:
            later = receive()
            answer(server, later)
        answer(server, message)
    if FAULT == "goes-on" or (FAULT == "waits-for-stop" and message is None):
        time.sleep(60)
    if FAULT == "says-goodbye":
        os.write(1, b"bye\n")
    sys.exit(7 if FAULT == "ends-in-trouble" else 0)


main()
