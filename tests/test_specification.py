"""docs/specification.md is true: arguments, checks and fakes are what it says, and none is forgotten."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from faults import FAULTS
from layer_faults import LAYER_FAULTS

from depthwise_conformance.reference import DepthwiseConv2D
from depthwise_conformance.reports.record import CHECKS

PAGE = Path(__file__).parent.parent / "docs" / "specification.md"
FAKES = {fake.__name__: fake for fake in (*FAULTS, *LAYER_FAULTS)}
NOTHING = "—"


class Sentence(NamedTuple):
    said: str
    claim: str
    arguments: list[str]
    checks: list[str]
    fakes: list[str]


def sentences() -> Iterator[Sentence]:
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] not in ("---", "it says", "it is expected that"):
            said, claim, *lists = cells
            assert len(lists) == 3, line
            yield Sentence(said, claim, *(re.findall(r"`(\w+)`", text) for text in lists))


SENTENCES = list(sentences())


def test_every_argument_of_the_signature_has_a_row_of_its_own():
    parameters = [name for name in inspect.signature(DepthwiseConv2D).parameters if name != "kwargs"]
    assert len(parameters) == 15
    for name in parameters:
        assert any(sentence.said.startswith(f"`{name}`") for sentence in SENTENCES), name
        assert any(name in sentence.arguments for sentence in SENTENCES), name
    assert {name for sentence in SENTENCES for name in sentence.arguments} == set(parameters)
    assert any(sentence.said == "`**kwargs`" for sentence in SENTENCES)


@pytest.mark.parametrize("sentence", SENTENCES, ids=lambda sentence: sentence.said[:60])
def test_a_sentence_is_judged_by_checks_that_can_fail(sentence: Sentence):
    if not sentence.checks:
        assert sentence.claim == "nothing"
        return
    assert set(sentence.checks) <= set(CHECKS)
    assert set(sentence.fakes) <= set(FAKES)
    assert {FAKES[name].check for name in sentence.fakes} == set(sentence.checks)


def test_every_check_is_told_of_and_has_a_fake_that_it_has_to_catch():
    assert {check for sentence in SENTENCES for check in sentence.checks} == set(CHECKS)
    assert {fake.check for fake in FAKES.values()} == set(CHECKS)
