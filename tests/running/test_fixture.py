"""The fixture `conformance`: a whole judgement within a test, in its process."""

from __future__ import annotations

import pytest
from faults import KernelCachedByLayer, KernelFlipped
from honest import Honest

from depthwise_conformance import Case, Conformance, LayerConfig, Unsupported
from depthwise_conformance.casebook.claims import Claim
from depthwise_conformance.casebook.covering import catalogue
from depthwise_conformance.running.runoptions import RunOptions

ONLY = 'kernel_size == 3 and dtype == "float32" and activation == None and dilation == 1'


def judge(implementation: object, **options: object) -> dict[str, object]:
    """The properties that a test gets."""
    given = {"only": ONLY, "fast": True, **options}
    found: dict[str, object] = {}
    Conformance(RunOptions(**given), found.__setitem__)(implementation)
    return found


def test_an_honest_kernel_conforms_and_the_test_says_on_how_many_cases(conformance, request):
    conformance(Honest(), only=ONLY, examples=10)
    told = dict(request.node.user_properties)
    assert told.keys() == {"judged", "declined"}
    assert told["judged"] > len(catalogue(2, Claim(ONLY))) + 10
    assert told["declined"] == 0


def test_a_fault_is_told_with_its_cause_and_its_smallest_case(conformance):
    with pytest.raises(AssertionError) as failure:
        conformance(KernelFlipped(), only=ONLY, examples=10)
    told = str(failure.value)
    assert "kernel-flipped@cpu" in told
    assert "output is wrong_value" in told
    assert "cause: kernel flipped" in told
    assert "smallest case " in told
    assert "replay" not in told  # there is no file to name


def test_memories_are_found_where_there_is_no_process_without_them():
    with pytest.raises(AssertionError, match="purity is impure"):
        judge(KernelCachedByLayer())


def test_what_was_judged_on_next_to_nothing_fails_in_words():
    def narrow(config, x, kernel, bias):
        raise Unsupported("not today")

    with pytest.raises(AssertionError, match=r"narrow was judged on none of \d+ cases.*not today"):
        judge(narrow)
    assert judge(narrow, least=0)["judged"] == 0


def test_a_typo_is_told_once():
    def misspelt(config, x, kernel, bias):
        return nmupy.zeros(3)  # noqa: F821

    with pytest.raises(AssertionError) as failure:
        judge(misspelt)
    assert str(failure.value).count("NameError: name 'nmupy' is not defined") == 1


def asked(**options: object) -> list[tuple[LayerConfig, tuple[int, ...]]]:
    """What a kernel is asked."""
    calls = []

    def listening(config, x, kernel, bias):
        calls.append((config, x.shape))
        return Honest().forward(config, x, kernel, bias)

    judge(listening, **options)
    return calls


def test_the_options_of_the_session_are_heeded():
    first = asked(checks=("output",), strength=1)
    assert all(Claim(ONLY).covers(Case(*one)) for one in first)
    assert 0 < len(first) < len(asked(checks=("output",)))
    assert len(first) < len(asked(checks=("output", "determinism"), strength=1))
    drawn = [asked(checks=("output",), fast=False, examples=5, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"only": "kernal_size == 3"}, "did you mean kernel_size"),
        ({"only": "kernel_size == 5"}, "leaves no kernel_height"),
        ({"examples": 0}, "examples 0: accepted are 1 or more"),
    ],
)
def test_what_cannot_be_judged_is_told(given, told):
    with pytest.raises(ValueError, match=told):
        Conformance(RunOptions(only=ONLY), lambda name, value: None)(Honest(), **given)
