"""The layer's checks validated: every faulty layer is caught by the check it belongs to, no honest one is blamed."""

from __future__ import annotations

import pytest
from honest import HONEST_LAYERS, Honest
from layer_faults import LAYER_FAULTS
from trial import Fake, Found, grouped, judge, own_check

from depthwise_conformance.reports.record import LAYER_CHECKS
from depthwise_conformance.running.agenda import Options
from depthwise_conformance.running.options import ALONE


@pytest.fixture(scope="module")
def caught() -> Found:
    by_check = sorted(LAYER_FAULTS, key=own_check)  # those that are caught by the same cases are done together
    with pytest.MonkeyPatch.context() as patch:
        # A fault is let go after the first case that shows it.
        patch.setattr("depthwise_conformance.running.engine.CHUNK", 1)
        return {
            name: checks
            for group in grouped(by_check)
            for name, checks in judge(group, Options(examples=ALONE), lambda f: (own_check(f),), let_go=True).items()
        }


@pytest.mark.parametrize("fault", LAYER_FAULTS, ids=lambda fault: fault.name)
def test_a_faulty_layer_is_caught_by_the_check_it_belongs_to(fault: Fake, caught: Found) -> None:
    assert caught[fault.name] == {own_check(fault)}, fault.__doc__


@pytest.mark.parametrize(("seed", "honest"), [(0, HONEST_LAYERS), (1, (Honest,)), (2, (Honest,))], ids=(0, 1, 2))
def test_no_honest_layer_is_blamed(seed: int, honest: tuple[Fake, ...]) -> None:
    blamed = judge(honest, Options(examples=ALONE, seed=seed), lambda fake: LAYER_CHECKS)
    assert blamed == {fake.name: set() for fake in honest}


def test_no_honest_layer_is_blamed_for_the_shapes_it_states() -> None:
    options = Options(examples=10, strength=1)  # operations are judged elsewhere
    blamed = judge(HONEST_LAYERS, options, lambda fake: ("shape_inference",))
    assert blamed == {fake.name: set() for fake in HONEST_LAYERS}
