"""Adapters that misbehave when the first number of the input is 13, and answer with zeros otherwise.

What they do is about the process and the interface; `fakes` has those that compute wrongly.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import itertools
import os
import signal
import stat
import subprocess
import sys
import time
from typing import ClassVar

import numpy as np
import psutil

from depthwise_conformance.adapters.base import Adapter, Description, Gradients, Unsupported

UNLUCKY = 13.0


class Quiet(Adapter):
    """Answers with zeros, and does `act` when asked for 13."""

    name = "quiet"

    def forward(self, config, x, kernel, bias):
        if x.reshape(-1)[:1] == UNLUCKY and (found := self.act(x)) is not Quiet:
            return found
        return np.zeros_like(x)

    def gradients(self, config, x, kernel, bias, cotangent):
        if x.reshape(-1)[:1] == UNLUCKY:
            return self.act(x)
        return Gradients(np.zeros_like(x), np.zeros_like(kernel), None if bias is None else np.zeros_like(bias))

    def output_shape(self, config, input_shape):
        return self.act(input_shape) if input_shape[0] == UNLUCKY else input_shape

    def act(self, x):
        return Quiet


# Ways to be lost


class Aborts(Quiet):
    def act(self, x):
        os.abort()


class Segfaults(Quiet):
    def act(self, x):
        ctypes.string_at(0)


class Leaves(Quiet):
    def act(self, x):
        print("my last words", flush=True)
        os._exit(0)


class RealTimeSignal(Quiet):
    def act(self, x):
        os.kill(os.getpid(), signal.SIGRTMIN + 3)


class Stops(Quiet):
    def act(self, x):
        os.kill(os.getpid(), signal.SIGSTOP)


class Hangs(Quiet):
    def act(self, x):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            time.sleep(1)


class FloodsForEver(Quiet):
    def act(self, x):
        while True:
            os.write(2, b"x" * 65536)


class EatsMemory(Quiet):
    def act(self, x):
        self.eaten = [np.ones(1 << 22) for _ in range(32)]  # a gibibyte
        time.sleep(60)


class WritesToEveryPipe(Quiet):
    def act(self, x):
        for descriptor in range(3, 32):
            try:
                os.write(descriptor, b"a progress report\n" * 10)
            except OSError:
                continue
        return Quiet


class ClosesEveryPipe(Quiet):
    def act(self, x):
        os.closerange(0, 64)
        return Quiet


class ClosesEveryPipeAndHangs(ClosesEveryPipe):
    def act(self, x):
        super().act(x)
        time.sleep(60)


class LeavesAChild(Quiet):
    """Dies with a forked child that still has its pipes."""

    def act(self, x):
        if (child := os.fork()) == 0:
            time.sleep(60)
        print(child, flush=True)
        os._exit(3)


class AnswersTwice(Quiet):
    """Goes on as two processes, each of which answers; the first of them is asked nothing more, and ends."""

    def act(self, x):
        if child := os.fork():
            os.waitpid(child, 0)
            return Quiet
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number in range(3, 64):
            with contextlib.suppress(OSError):
                reads = fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
                if reads and stat.S_ISFIFO(os.fstat(number).st_mode):
                    os.dup2(nothing, number)
        return Quiet


class ReturnsFarTooMuch(Quiet):
    """More than any call of a small case may come to."""

    def act(self, x):
        return np.broadcast_to(np.float32(1), (1, 1, 1 << 25, 1))


class Exits(Quiet):
    def act(self, x):
        raise SystemExit(0)


class Interrupts(Quiet):
    def act(self, x):
        raise KeyboardInterrupt


class Panics(Quiet):
    def act(self, x):
        raise type("PanicException", (BaseException,), {})("a panic in another language")


class OutOfMemory(Quiet):
    def act(self, x):
        raise MemoryError


# Ways to fail with an answer


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class RaisesUnprintable(Quiet):
    def act(self, x):
        raise Unprintable


class UnprintableReason(Quiet):
    def act(self, x):
        raise type("Mute", (Unprintable, Unsupported), {})


class AlwaysRaises(Quiet):
    def forward(self, config, x, kernel, bias):
        raise OSError("out of order")


class AlwaysHangs(Quiet):
    def forward(self, config, x, kernel, bias):
        time.sleep(1000)


class RingsAndHangs(AlwaysHangs):
    """Sends the run an alarm, which its own parent, the warden, is a child of; and never answers."""

    def forward(self, config, x, kernel, bias):
        os.kill(psutil.Process(os.getppid()).ppid(), signal.SIGALRM)
        super().forward(config, x, kernel, bias)


class RaisesLater(Quiet):
    """Answers three cases, wrongly, and no more."""

    shapes: ClassVar[set[tuple[int, ...]]] = set()

    def forward(self, config, x, kernel, bias):
        self.shapes.add((*x.shape, *kernel.shape))
        if len(self.shapes) > 3:
            raise OSError("out of order")
        return np.zeros(1, x.dtype)


class Recurses(Quiet):
    def act(self, x):
        return self.act(x)


class RaisesAtLength(Quiet):
    def act(self, x):
        raise OSError("\ud800\x00\x1b[2J" + "x" * 10_000_000)


class DeclinesAtLength(Quiet):
    def act(self, x):
        raise Unsupported("x" * 10_000_000)


class StopsIteration(Quiet):
    def act(self, x):
        raise StopIteration


# Wrong types


def returning(name, make):
    return type(name, (Quiet,), {"act": lambda self, x: make(x)})


ReturnsNone = returning("ReturnsNone", lambda x: None)
ReturnsList = returning("ReturnsList", lambda x: [[1.0]])
ReturnsText = returning("ReturnsText", lambda x: "an array")
ReturnsTuple = returning("ReturnsTuple", lambda x: (x,))
ReturnsScalar = returning("ReturnsScalar", lambda x: np.float32(1))
ReturnsObjects = returning("ReturnsObjects", lambda x: np.array([None]))
ReturnsLongDouble = returning("ReturnsLongDouble", lambda x: x.astype(np.longdouble))
ReturnsRecords = returning("ReturnsRecords", lambda x: np.zeros(2, [("a", "f4")]))
ReturnsEmptyGradients = returning("ReturnsEmptyGradients", lambda x: Gradients(x, x, None))
ReturnsFractions = returning("ReturnsFractions", lambda shape: (1, 2.5, 3, 4))
ReturnsDigits = returning("ReturnsDigits", lambda shape: "1234")

# Odd, and allowed

ReturnsComplex = returning("ReturnsComplex", lambda x: x.astype(np.complex64))
ReturnsMasked = returning("ReturnsMasked", lambda x: np.ma.masked_array(np.zeros_like(x), True))
ReturnsBigEndian = returning("ReturnsBigEndian", lambda x: np.zeros_like(x).astype(">f4"))


class Hostile(np.ndarray):
    """An array whose every method fails."""

    def tobytes(self, *arguments):
        raise RuntimeError("not mine")

    astype = reshape = __array_wrap__ = __eq__ = tobytes


ReturnsHostile = returning("ReturnsHostile", lambda x: np.zeros_like(x).view(Hostile))


class Floods(Quiet):
    def act(self, x):
        for _ in range(100):
            print("noise on standard output" * 4000)
            os.write(1, b"DWC1" + bytes(range(256)) * 200)
            os.write(2, b"noise on standard error" * 4000)
        return Quiet


class ClosesStandardStreams(Quiet):
    def act(self, x):
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        return Quiet


class LeavesASession(Quiet):
    """Starts a child in a session of its own, which inherits its streams."""

    def act(self, x):
        subprocess.Popen(["sleep", "60"], start_new_session=True)
        return Quiet


class Echoes(Quiet):
    """Returns what it was given, as it came."""

    def forward(self, config, x, kernel, bias):
        return x.copy()


# Impure


class WritesToItsInput(Quiet):
    def act(self, x):
        x += 1
        return Quiet


class ReshapesItsInput(Quiet):
    def act(self, x):
        x.resize((x.size,), refcheck=False)
        return np.zeros(x.size, x.dtype)


class ReturnsItsInput(Quiet):
    def act(self, x):
        return x[:, ::-1]


class ReusesItsOutput(Quiet):
    buffer = np.zeros((1, 2, 2, 1), np.float32)

    def forward(self, config, x, kernel, bias):
        self.buffer[...] = x
        return self.buffer


# Unable to start


class NoName(Adapter):
    def forward(self, config, x, kernel, bias):
        return x


class NumberedName(NoName):
    name = 3


class Abstract(Adapter):
    name = "abstract"


class NotAnAdapter:
    name = "not-an-adapter"


class FailsToStart(Quiet):
    def __init__(self, device="cpu", mode=""):
        raise OSError("no such device")


class ExitsAtStart(Quiet):
    def __init__(self, device="cpu", mode=""):
        sys.exit(0)


class DiesAtStart(Quiet):
    def __init__(self, device="cpu", mode=""):
        print("about to die", flush=True)
        os.abort()


class HangsAtStart(Quiet):
    def __init__(self, device="cpu", mode=""):
        time.sleep(60)


def describing(name, make):
    return type(name, (Quiet,), {"describe": lambda self: make()})


DescribesNothing = describing("DescribesNothing", lambda: None)
DescribesText = describing("DescribesText", lambda: "cpu")
DescribesOneDevice = describing("DescribesOneDevice", lambda: Description(devices="cpu"))
DescribesNumbers = describing("DescribesNumbers", lambda: Description(versions={"numpy": 2.0}))
DescribesForEver = describing("DescribesForEver", lambda: Description(devices=itertools.count()))
