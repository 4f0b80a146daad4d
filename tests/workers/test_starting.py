"""Workers unable to start: the environment's fault, kept apart."""

from __future__ import annotations

import pytest
from worker_calls import ADAPTERS, forward

from depthwise_conformance.workers.worker import WorkerBrokenError


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
