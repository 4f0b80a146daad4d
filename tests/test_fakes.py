"""The validator validated: every faulty implementation is caught, no honest one is blamed.

All run as they would alone by default: the same cases, each in a worker process of its own. A fault is judged by the
check that it belongs to and by what this stands on, and is let go once it is caught: that changes nothing but the time.
"""

import pytest
from faults import FAULTS, LETHAL, RARE
from honest import HONEST, MatrixProduct, RoundedStages
from trial import Fake, Found, grouped, judge, own_check

from depthwise_conformance.adapters.base import Adapter
from depthwise_conformance.judging.checks import GRADIENT_CHECKS
from depthwise_conformance.reports.record import CHECKS, LAYER_CHECKS
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.options import ALONE

TENFOLD = (MatrixProduct, RoundedStages)
OPERATION = set(CHECKS) - set(LAYER_CHECKS)
CALLS = {"purity", "determinism", "memory"}  # checks of all that is asked for


def checks_of(fake: Fake) -> set[str]:
    """The one that a fault belongs to, and what tells that it refuses some calls only; of an honest fake, all."""
    if fake in HONEST:
        return set(CHECKS)
    own = own_check(fake)
    return {"output", "shape_inference", own, *(GRADIENT_CHECKS if own in CALLS else ())}


@pytest.fixture(scope="module")
def caught() -> Found:
    quick = sorted((fake for fake in FAULTS if fake not in LETHAL), key=own_check)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("depthwise_conformance.running.engine.CHUNK", 4)  # a fault is let go between chunks
        return {
            name: checks
            for group in grouped(quick)
            for name, checks in judge(group, Options(examples=ALONE), checks_of, let_go=True).items()
        }


@pytest.mark.parametrize(
    "fault", [f for f in FAULTS if f not in LETHAL and f not in RARE], ids=lambda fault: fault.name
)
def test_a_fault_is_caught_by_the_check_it_belongs_to(fault: type[Adapter], caught: Found) -> None:
    assert fault.check in caught[fault.name], f"{fault.__doc__} Failed checks: {caught[fault.name]}"


@pytest.mark.parametrize("fault", LETHAL, ids=lambda fault: fault.name)
def test_a_fault_that_takes_its_process_along_is_caught(fault: type[Adapter], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depthwise_conformance.workers.process.MEMORY_BYTES", 1 << 30)
    assert fault.check in judge([fault], Options(examples=ALONE), checks_of, let_go=True, timeout=2.5)[fault.name]


def test_a_fault_of_one_kind_of_case_does_not_end_the_run() -> None:
    fault = next(fault for fault in LETHAL if fault.__name__ == "AbortsOnWidthThirteen")
    found = judge([fault], Options(examples=ALONE // 2), checks_of)[fault.name]
    assert fault.check in found
    assert found <= {fault.check, "special_values", "metamorphic"}  # which make such calls too


@pytest.fixture(scope="module")
def blamed() -> Found:
    return judge(HONEST, Options(), checks_of)


@pytest.mark.parametrize("honest", HONEST, ids=lambda honest: honest.name)
def test_an_honest_implementation_is_not_blamed(honest: type[Adapter], blamed: Found) -> None:
    assert blamed[honest.name] == set()


def test_honest_implementations_are_not_blamed_over_ten_times_the_default_budget() -> None:
    blamed = judge(TENFOLD, Options(examples=10 * ALONE, seed=1), lambda fake: OPERATION)
    assert blamed == {honest.name: set() for honest in TENFOLD}
