"""The validator validated: every faulty implementation is caught, no honest one is blamed.

All run as they would alone by default: the same cases, each in a worker process of its own. A fault is let go once the
check that it belongs to has caught it, which changes nothing but the time that this takes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from faults import FAULTS, LETHAL, RARE
from honest import HONEST, FusedMultiplyAdd, MatrixProduct, RoundedStages

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.engine import Engine, Options
from depthwise_conformance.plugin import ALONE
from depthwise_conformance.reports.record import CHECKS
from depthwise_conformance.targets import Target, open_targets, requests

FAKES = Path(__file__).parent / "fakes"
TOGETHER = 40  # fakes that run side by side
TENFOLD = (FusedMultiplyAdd, MatrixProduct, RoundedStages)
Found = dict[str, set[str]]


def location(fake: type[Adapter]) -> str:
    file = "honest.py" if fake in HONEST else "faults.py"
    return f"{FAKES / file}:{fake.__name__}"


def judge(fakes: Sequence[type[Adapter]], options: Options, let_go: bool = False, timeout: float = 20.0) -> Found:
    """The checks that each fake, by its name, failed; "incomplete" where it was not judged to the end."""
    targets = open_targets(requests([], [location(fake) for fake in fakes]), timeout)
    own = {f"{fake.name}@cpu": getattr(fake, "check", "") for fake in fakes}

    def stop_if_caught(target: Target, done: int) -> None:
        if let_go and engine.tallies[target.name, own[target.name]].groups:
            target.status = "caught"

    engine = Engine(options, lambda records: None, stop_if_caught)
    try:
        engine.evaluate(targets, dict.fromkeys(own, CHECKS))
    finally:
        for target in targets:
            target.worker.close()
    failed = {
        target.name: {check for check in CHECKS if engine.tallies[target.name, check].groups} for target in targets
    }
    for target in targets:
        if target.status not in ("judged", "caught"):
            failed[target.name].add("incomplete")
    return {name.removesuffix("@cpu"): checks for name, checks in failed.items()}


def grouped(fakes: Sequence[type[Adapter]]) -> Iterator[Sequence[type[Adapter]]]:
    yield from (fakes[start : start + TOGETHER] for start in range(0, len(fakes), TOGETHER))


@pytest.fixture(scope="module")
def caught() -> Found:
    quick = [fake for fake in FAULTS if fake not in LETHAL]
    return {
        name: checks
        for group in grouped(quick)
        for name, checks in judge(group, Options(examples=ALONE), let_go=True).items()
    }


@pytest.mark.parametrize(
    "fault", [f for f in FAULTS if f not in LETHAL and f not in RARE], ids=lambda fault: fault.name
)
def test_a_fault_is_caught_by_the_check_it_belongs_to(fault: type[Adapter], caught: Found) -> None:
    assert fault.check in caught[fault.name], f"{fault.__doc__} Failed checks: {caught[fault.name]}"


@pytest.mark.parametrize("fault", LETHAL, ids=lambda fault: fault.name)
def test_a_fault_that_takes_its_process_along_is_caught(fault: type[Adapter], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthwise_conformance.pool.MEMORY_BYTES", 1 << 30)
    assert fault.check in judge([fault], Options(examples=ALONE), let_go=True, timeout=5.0)[fault.name]


def test_a_fault_of_one_kind_of_case_does_not_end_the_run() -> None:
    fault = next(fault for fault in LETHAL if fault.__name__ == "AbortsOnWidthThirteen")
    found = judge([fault], Options(examples=ALONE))[fault.name]
    assert fault.check in found
    assert found <= {fault.check, "special_values"}  # which makes the same call


@pytest.fixture(scope="module")
def blamed() -> Found:
    return judge(HONEST, Options())


@pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.name)
def test_an_honest_implementation_is_not_blamed(honest: type[Adapter], blamed: Found) -> None:
    assert blamed[honest.name] == set()


def test_honest_implementations_are_not_blamed_over_ten_times_the_default_budget() -> None:
    blamed = judge(TENFOLD, Options(examples=10 * ALONE, seed=1))
    assert blamed == {honest.name: set() for honest in TENFOLD}
