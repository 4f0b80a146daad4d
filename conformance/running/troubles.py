"""What goes wrong with one target: whose fault it is said to be, and that it stays with that target."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from depthwise_conformance.judging.tally import Tally
from depthwise_conformance.reports.record import LAYER_CHECKS, Verdict
from depthwise_conformance.running.targets import Target
from depthwise_conformance.running.terminal import shown
from depthwise_conformance.workers.worker import WorkerAbortedError, WorkerBrokenError

HARNESS_ERROR = "harness error"  # the status of a target that could not be judged to the end, by our own fault
WITHOUT_RESULT = (Verdict.REFUSED, Verdict.BAD_RETURN, Verdict.CRASHED, Verdict.TIMED_OUT)


class LostTargetError(Exception):
    """A target could not be judged to the end; the message says whose fault that is."""


class RunFailedError(Exception):
    """The run itself could not go on: no target's fault."""


class NothingJudged(Exception):
    """No case of a check was judged; the message says why."""


@contextmanager
def confined(target: Target) -> Iterator[None]:
    """Keeps what goes wrong to the target: a worker that cannot start again, an error of this tool.

    What ends the run for all targets goes on: an interrupt, a disk that is full.
    """
    try:
        yield
    except WorkerBrokenError as error:
        target.status, target.message = "broken", str(error)
    except (WorkerAbortedError, OSError):
        raise
    except Exception:
        told = f"an error of this tool, which says nothing of the target:\n{traceback.format_exc()}"
        target.status, target.message = HARNESS_ERROR, told


def tell_lost(target: Target, cases: int) -> str:
    """What became of a target that was not judged to the end, of which a check has judged so many cases."""
    if target.status == "broken":
        return shown(f"{target.name} could not run, which says nothing of the framework:\n{target.message}")
    return shown(f"{target.name}, {target.status}: {target.message}\nThis check has judged {cases} of its cases.")


def nothing_judged(check: str, tallies: Mapping[str, Tally], stopped: bool) -> str:
    """Why a check has no judgement of a target, of which these are the tallies; "" where it has one."""
    if tallies[check].judged:
        return ""
    if reasons := tallies[check].reasons:
        return "unsupported: " + "; ".join(reasons)
    if stopped:
        return "not judged: the run was stopped at its first discrepancy"
    failing = [name for name, other in tallies.items() if other.groups]
    if failing and check in LAYER_CHECKS:
        return f"not judged: its layers fail as their operation does, see {', '.join(failing)}"
    silent = [name for name in failing if any(key.verdict in WITHOUT_RESULT for key in tallies[name].groups)]
    if silent:
        return f"not judged: no call returned anything for it to judge, see {', '.join(silent)}"
    return "not judged: no case of this run is about it"
