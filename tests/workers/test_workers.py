"""Workers: real child processes. Whatever one of them does costs one verdict; the rest is answered, nothing leaks."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from depthwise_conformance.casebook.recipes import numpy_dtype
from depthwise_conformance.workers import outcomes, process
from depthwise_conformance.workers.process import Launch
from depthwise_conformance.workers.protocol import Message
from depthwise_conformance.workers.worker import Worker, WorkerBrokenError

ADAPTERS = Path(__file__).parents[1] / "fakes" / "misbehaving.py"
PATIENCE = 60.0  # seconds: for what should take one, on a machine that is busy with other things


@pytest.fixture(autouse=True)
def nothing_leaks():
    """No process, thread or file descriptor of a test is left after it."""
    me = psutil.Process()
    before = me.num_fds(), threading.active_count()
    yield
    assert me.children(recursive=True) == []
    assert (me.num_fds(), threading.active_count()) == before


@pytest.fixture
def start():
    workers = []

    def start_one(adapter: str, timeout: float = PATIENCE, **launch: object) -> Worker:
        location = f"{ADAPTERS}:{adapter}" if adapter.isidentifier() else adapter
        workers.append(Worker(Launch(location, **launch), timeout))
        return workers[-1]

    yield start_one
    for worker in workers:
        worker.close()


def forward(first: float = 0.0, shape: tuple[int, ...] = (1, 2, 2, 1), dtype: str = "float32") -> Message:
    x = np.zeros(shape, dtype)
    x.reshape(-1)[:1] = first
    header = {"type": "run", "operation": "forward", "arguments": {"kernel_size": 1}}
    return Message(header, {"x": x, "kernel": np.ones((1, 1, 1, 1), dtype), "bias": np.ones(1, dtype)})


def gradients(first: float = 0.0) -> Message:
    call = forward(first)
    return Message({**call.header, "operation": "gradients"}, {**call.arrays, "cotangent": call.arrays["x"]})


def output_shape(first: int = 0) -> Message:
    header = {"type": "run", "operation": "output_shape", "arguments": {"kernel_size": 1}}
    return Message({**header, "input_shape": [first, None, 2, 1]})


def kinds(worker: Worker, *programs: tuple[Message, ...]) -> list[list[str]]:
    return [[outcome.kind for outcome in outcomes] for outcomes in worker.run(programs)]


def unlucky(worker: Worker, call=forward) -> outcomes.Outcome:
    """The outcome of the unlucky call; all others, before and after, are values."""
    before, bad, *after = worker.run([(call(),), (call(13),), *[(call(), call())] * 6])
    assert [outcome.kind for outcomes in (before, *after) for outcome in outcomes] == ["value"] * 13
    return bad[-1]


# Losses: each costs one outcome and one worker


@pytest.mark.parametrize(
    ("adapter", "told"),
    [
        ("Aborts", "the worker died (killed by SIGABRT)"),
        ("Segfaults", "the worker died (killed by SIGSEGV)"),
        ("Leaves", "the worker died (exit status 0); its last words:\nmy last words"),
        ("RealTimeSignal", "the worker died (killed by signal 37)"),
        ("WritesToEveryPipe", "the worker's answer could not be read: not a frame: it begins with b'a progress repor"),
        ("ClosesEveryPipe", "the worker died (exit status "),
        ("LeavesAChild", "the worker died (exit status 3)"),
        ("Exits", "the worker died (exit status 0)"),
        ("Interrupts", "KeyboardInterrupt"),
        ("Panics", "a panic in another language"),
        ("OutOfMemory", "MemoryError"),
    ],
)
def test_a_worker_that_dies_costs_one_call(start, adapter, told):
    worker = start(adapter)
    outcome = unlucky(worker)
    assert outcome.kind == "crashed"
    assert told in outcome.message
    assert worker.losses == 1


@pytest.mark.parametrize("adapter", ["Hangs", "Stops", "FloodsForEver"])
def test_a_worker_that_hangs_costs_one_call_and_its_time_limit(start, adapter):
    worker = start(adapter, timeout=1.5)
    begin = time.monotonic()
    outcome = unlucky(worker)
    assert (outcome.kind, outcome.message) == ("timed_out", "no answer within 1.5 s")
    assert 1.5 <= time.monotonic() - begin < PATIENCE
    assert worker.losses == 1


def test_the_first_call_of_a_worker_may_take_longer(start):
    """A framework sets itself up in it."""
    worker = start("Hangs", timeout=0.25)
    (outcome,) = next(worker.run([(forward(13),)]))
    assert outcome.message == "no answer within 1 s"


def test_a_worker_that_eats_memory_is_killed(start, monkeypatch):
    monkeypatch.setattr(process, "MEMORY_BYTES", 600 << 20)
    outcome = unlucky(start("EatsMemory"))
    assert outcome.kind == "crashed"
    assert "MiB of memory; the limit is 600 MiB" in outcome.message


def test_a_worker_that_closes_its_output_and_hangs_is_not_waited_for(start, monkeypatch):
    monkeypatch.setattr(process, "DEATH_SECONDS", 0.2)
    outcome = unlucky(start("ClosesEveryPipeAndHangs"))
    assert (outcome.kind, outcome.message) == ("crashed", "the worker closed its output")


def test_what_a_dead_worker_leaves_behind_is_ended(start):
    child = int(unlucky(start("LeavesAChild")).message.split()[-1])
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_every_call_may_be_lost(start):
    worker = start("Leaves")
    assert kinds(worker, *[(forward(13),)] * 3) == [["crashed"]] * 3
    assert worker.losses == 3


def test_a_program_ends_with_the_call_that_lost_the_worker(start):
    programs = [(forward(), forward(13), forward()), (forward(),) * 20, (forward(), forward(13))]
    assert kinds(start("Leaves"), *programs) == [["value", "crashed"], ["value"] * 20, ["value", "crashed"]]


@pytest.mark.parametrize("adapter", ["Leaves", "Hangs"])
def test_a_loss_is_not_blamed_on_the_next_run(start, adapter):
    """Even if nobody asks for what comes after the loss: a search takes one answer and turns to the next case."""
    worker = start(adapter, timeout=0.5)
    assert next(worker.run([(forward(13),)]))[0].kind in outcomes.LOST
    assert kinds(worker, (forward(),)) == [["value"]]
    assert worker.losses == 1


def test_answers_that_nobody_waited_for_are_not_taken_for_others(start):
    worker = start("Echoes")
    first = next(worker.run([(forward(float(number)),) for number in range(5)]))
    assert first[0].arrays["output"].max() == 0
    (again,) = next(worker.run([(forward(99.0),)]))
    assert again.arrays["output"].max() == 99.0


# Failures with an answer


@pytest.mark.parametrize(
    ("adapter", "kind", "told"),
    [
        ("RaisesUnprintable", "error", "Unprintable: <exception str() failed>"),
        ("UnprintableReason", "unsupported", "Mute, whose text cannot be had"),
        ("Recurses", "error", "RecursionError: maximum recursion depth exceeded"),
        ("RaisesAtLength", "error", "OSError: \ud800\x00\x1b[2Jxxx"),
        ("DeclinesAtLength", "unsupported", "xxx"),
        ("StopsIteration", "error", "StopIteration"),
        ("ReturnsNone", "bad_return", "forward returned NoneType, not numpy.ndarray"),
        ("ReturnsList", "bad_return", "forward returned list, not numpy.ndarray"),
        ("ReturnsText", "bad_return", "forward returned str, not numpy.ndarray"),
        ("ReturnsTuple", "bad_return", "forward returned tuple, not numpy.ndarray"),
        ("ReturnsScalar", "bad_return", "forward returned numpy.float32, not numpy.ndarray"),
        ("ReturnsObjects", "bad_return", "forward returned an array of dtype object"),
        ("ReturnsLongDouble", "bad_return", f"forward returned an array of dtype {np.dtype(np.longdouble)}"),
        ("ReturnsRecords", "bad_return", "forward returned an array of dtype [('a', '<f4')]"),
    ],
)
def test_a_call_that_fails_costs_no_worker(start, adapter, kind, told):
    worker = start(adapter)
    outcome = unlucky(worker)
    assert outcome.kind == kind
    assert told in outcome.message
    assert len(outcome.message) <= 20_000
    assert worker.losses == 0


def test_an_error_tells_its_classes(start):
    assert unlucky(start("Recurses")).classes == ("RecursionError", "RuntimeError", "Exception")


@pytest.mark.parametrize(
    ("adapter", "call", "told"),
    [
        ("ReturnsTuple", gradients, "gradients returned tuple, not Gradients"),
        ("ReturnsEmptyGradients", gradients, "gradients: bias returned NoneType, not numpy.ndarray"),
        ("ReturnsNone", output_shape, "output_shape returned None, not sizes or None"),
        ("ReturnsDigits", output_shape, "output_shape returned '1234', not sizes or None"),
        ("ReturnsFractions", output_shape, "output_shape returned (1, 2.5, 3, 4), not sizes or None"),
    ],
)
def test_other_operations_are_held_to_their_types_too(start, adapter, call, told):
    outcome = unlucky(start(adapter), call)
    assert (outcome.kind, outcome.message) == ("bad_return", told)


# What is odd, and allowed


@pytest.mark.parametrize(
    ("adapter", "dtype"),
    [
        ("ReturnsComplex", "complex64"),
        ("ReturnsMasked", "float32"),
        ("ReturnsBigEndian", "float32"),
        ("ReturnsHostile", "float32"),
        ("Floods", "float32"),
        ("ClosesStandardStreams", "float32"),
        ("LeavesASession", "float32"),
    ],
)
def test_noise_and_odd_arrays_cost_nothing(start, adapter, dtype):
    worker = start(adapter)
    outcome = unlucky(worker)
    assert outcome.kind == "value"
    assert outcome.arrays["output"].dtype == dtype
    assert worker.losses == 0


def test_noise_before_the_first_frame_costs_nothing(start, tmp_path):
    noise = "print('noise at import' * 10_000)\nos.write(1, b'DWC1 noise' * 10_000)\n"
    (tmp_path / "noisy.py").write_text(ADAPTERS.read_text() + noise)
    assert unlucky(start(f"{tmp_path / 'noisy.py'}:Quiet")).kind == "value"


def test_last_words_are_the_end_of_what_was_said(start):
    assert unlucky(start("Leaves")).message.endswith("my last words")
    assert len(unlucky(start("Panics")).message) < 2 * process.STDERR_TAIL


@pytest.mark.parametrize(
    ("adapter", "told"),
    [
        ("WritesToItsInput", ("changed its argument x",)),
        ("ReshapesItsInput", ("changed its argument x",)),
        ("ReturnsItsInput", ("returned memory of its argument x",)),
        ("ReusesItsOutput", ("changed the result of an earlier call",)),
    ],
)
def test_impurities_are_observed(start, adapter, told):
    outcomes = [outcomes[0] for outcomes in start(adapter).run([(forward(),), (forward(13),), (forward(),)])]
    assert [outcome.kind for outcome in outcomes] == ["value"] * 3
    assert told in [outcome.impurities for outcome in outcomes]
    assert outcomes[0].impurities == ()


# Sizes, and many at once


def test_messages_far_larger_than_the_pipes_pass_both_ways(start):
    worker = start("Echoes")
    requests = [forward(number, (1, 512, 1024, 4)) for number in range(12)]  # 8 MiB each
    for request, (outcome,) in zip(requests, worker.run([(request,) for request in requests]), strict=True):
        assert np.array_equal(outcome.arrays["output"], request.arrays["x"])


def test_many_small_programs_come_back_in_order(start):
    requests = [forward(float(number)) for number in range(500)]
    outcomes = start("Echoes").run([tuple(requests[i : i + 5]) for i in range(0, 500, 5)])
    assert [o.arrays["output"].max() for program in outcomes for o in program] == [float(n) for n in range(500)]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_dtype_and_the_empty_batch_pass(start, dtype):
    worker = start("Echoes")
    for shape in ((1, 2, 2, 1), (0, 2, 2, 1)):
        ((outcome,),) = worker.run([(forward(1.0, shape, numpy_dtype(dtype)),)])
        assert (outcome.arrays["output"].dtype.name, outcome.arrays["output"].shape) == (dtype, shape)


def test_a_program_without_calls_has_no_outcomes(start):
    assert kinds(start("Quiet"), (), (forward(),), ()) == [[], ["value"], []]


def test_a_closed_worker_starts_again_when_it_is_needed(start):
    worker = start("Quiet")
    assert kinds(worker, (forward(),)) == [["value"]]
    worker.close()
    worker.close()
    assert kinds(worker, (forward(),)) == [["value"]]


# Unable to start: the environment's fault, kept apart


@pytest.mark.parametrize(
    ("adapter", "told"),
    [
        ("Missing", "has no subclass of Adapter called 'Missing'"),
        ("NotAnAdapter", "has no subclass of Adapter called 'NotAnAdapter'"),
        ("NoName", "NoName needs a class attribute `name`, a string"),
        ("NumberedName", "NumberedName needs a class attribute `name`, a string"),
        ("Abstract", "Can't instantiate abstract class Abstract"),
        ("FailsToStart", "OSError: no such device"),
        ("ExitsAtStart", "SystemExit: 0"),
        ("DiesAtStart", "the worker died (killed by SIGABRT); its last words:\nabout to die"),
        ("DescribesNothing", "describe returned NoneType, not Description"),
        ("DescribesText", "describe returned str, not Description"),
        ("DescribesOneDevice", "devices are 'cpu'; accepted are strings"),
        ("DescribesNumbers", "versions are {'numpy': 2.0}; accepted are strings"),
        ("DescribesForEver", "devices are count(1); accepted are strings"),
        ("nonesuch.py:Adapter", "adapter file 'nonesuch.py' does not exist"),
        ("nonesuch:Adapter", "No module named 'nonesuch'"),
        (":", "accepted are path/to/file.py:ClassName and module:ClassName"),
    ],
)
def test_what_cannot_start_says_why(start, adapter, told):
    with pytest.raises(WorkerBrokenError) as caught:
        start(adapter).start()
    assert told in str(caught.value)


def test_a_file_that_cannot_be_imported_says_why(start, tmp_path):
    for name, source, told in (
        ("syntax", "class", "SyntaxError"),
        ("missing", "import nonesuch", "No module named 'nonesuch'"),
        ("leaving", "raise SystemExit('not today')", "not today"),
        ("binary", "\x00", "null bytes"),
    ):
        (tmp_path / f"{name}.py").write_text(source)
        with pytest.raises(WorkerBrokenError, match=told):
            start(f"{tmp_path / name}.py:Any").start()


def test_a_start_that_hangs_ends_at_its_time_limit(start, monkeypatch):
    monkeypatch.setattr("depthwise_conformance.workers.worker.START_SECONDS", 1.0)
    with pytest.raises(WorkerBrokenError, match="no answer within 1 s"):
        start("HangsAtStart").start()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("no-such-interpreter",), "No such file or directory"),
        (("false",), "the worker died (exit status 1)"),
        (("echo", "hello there, this is not a frame"), "not a frame: it begins with b'hello there, thi'"),
        (("cat",), "'type': 'start'"),
    ],
)
def test_a_command_that_is_no_worker_says_so(start, command, told):
    with pytest.raises(WorkerBrokenError) as caught:
        start("Quiet", command=command).start()
    assert told in str(caught.value)


def test_a_worker_that_cannot_start_again_stops_the_run(start, tmp_path):
    once = tmp_path / "once.py"
    once.write_text(
        f"import os, sys\nsys.path.insert(0, {str(ADAPTERS.parent)!r})\nfrom misbehaving import Leaves\n"
        f"class Once(Leaves):\n    name = 'once'\n    def __init__(self, device='cpu', mode=''):\n"
        f"        os.mkdir({str(tmp_path / 'started')!r})\n"
    )
    worker = start(f"{once}:Once")
    answers = worker.run([(forward(),), (forward(13),), (forward(),)])
    assert [next(answers)[0].kind for _ in range(2)] == ["value", "crashed"]
    with pytest.raises(WorkerBrokenError, match="FileExistsError"):
        next(answers)


# Workers written by others, in any language

SCRIPT = """
import os, sys
from depthwise_conformance.workers.protocol import PREFIX, Message, decode, encode, frame_sizes
import numpy as np
hello, answer, arrays = eval(sys.argv[1])
source, sink = os.fdopen(0, "rb"), os.fdopen(1, "wb")
while len(prefix := source.read(PREFIX.size)) == PREFIX.size:
    header, payload = frame_sizes(prefix)
    message = decode(source.read(header), source.read(payload))
    reply = Message(hello) if message.header["type"] == "start" else Message(answer, {n: np.ones(1) for n in arrays})
    sink.writelines(encode(reply))
    sink.flush()
"""
HELLO = {"type": "started", "protocol": 1, "name": "foreign", "versions": {}, "unsupported": {}}
HELLO |= {"devices": ["cpu"], "dtypes": [], "modes": []}
ANSWER = {"type": "result", "outcome": "value"}


def foreign(hello: dict, answer: dict, arrays: tuple[str, ...] = ()) -> tuple[str, ...]:
    return (sys.executable, "-P", "-c", SCRIPT, repr((hello, answer, arrays)))


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": 2},
        {"name": None},
        {"versions": None},
        {"versions": {"numpy": 2}},
        {"devices": "cpu"},
        {"modes": [1]},
        {"unsupported": []},
    ],
    ids=str,
)
def test_a_malformed_description_is_the_environments_fault(start, change):
    with pytest.raises(WorkerBrokenError, match=r"malformed|protocol"):
        start("Quiet", command=foreign({**HELLO, **change}, ANSWER)).start()


@pytest.mark.parametrize(
    ("call", "answer", "arrays"),
    [
        (forward, {"type": "result"}, ()),
        (forward, {"type": "failed", "message": "no"}, ()),
        (forward, {"type": "result", "outcome": "brilliant"}, ()),
        (forward, {"type": "result", "outcome": ["value"]}, ()),
        (forward, {**ANSWER}, ("y",)),
        (forward, {**ANSWER, "seconds": "many"}, ("output",)),
        (forward, {**ANSWER, "mutated": 3}, ("output",)),
        (forward, {"type": "result", "outcome": "error"}, ()),
        (forward, {"type": "result", "outcome": "error", "classes": 1}, ()),
        (gradients, {**ANSWER}, ("input", "kernel")),
        (output_shape, {**ANSWER}, ()),
        (output_shape, {**ANSWER, "shape": None}, ()),
        (output_shape, {**ANSWER, "shape": 4}, ()),
        (output_shape, {**ANSWER, "shape": ["1"]}, ()),
    ],
    ids=str,
)
def test_a_malformed_answer_is_a_crash(start, call, answer, arrays):
    worker = start("Quiet", command=foreign(HELLO, answer, arrays))
    ((outcome,),) = worker.run([(call(),)])
    assert outcome.kind == "crashed"
    assert outcome.message.startswith("the worker's answer could not be read: ")


def test_a_foreign_worker_that_keeps_to_the_protocol_is_a_target(start):
    worker = start("Quiet", command=foreign(HELLO, ANSWER, ("output",)))
    assert worker.start()["name"] == "foreign"
    assert kinds(worker, (forward(), forward())) == [["value", "value"]]


def test_workers_do_not_see_the_folder_they_were_started_in(start, tmp_path, monkeypatch):
    """A file called torch.py there must not stand for torch."""
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')")
    monkeypatch.chdir(tmp_path)
    assert kinds(start("Quiet"), (forward(),)) == [["value"]]
    assert not os.environ.get("PYTHONPATH"), "this test says nothing where that is set"
