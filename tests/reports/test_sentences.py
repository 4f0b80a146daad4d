"""What the documentation says of a fault, and what its cause computes: found in the documents, and told on the page."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reported import DISCREPANCY, Page, rows_of, write_folder

from depthwise_conformance.diagnosis.deviations.library import BY_NAME
from depthwise_conformance.reports.page import write_page
from depthwise_conformance.reports.record import CHECKS, Verdict
from depthwise_conformance.reports.sentences import causes, documented, explained, ticked


@pytest.mark.parametrize(
    ("check", "family", "said"),
    [
        ("output", "output value padding=same", '"same" pads evenly left and right, or up and down'),
        ("errors", "errors error_missing strides > 1 with dilation_rate > 1", "raises ValueError when both"),
        ("dtype", "dtype value dtype=float64", "the output has the dtype asked for"),
        ("special_values", "special_values wrong_special", "NaN, infinities and overflow follow IEEE 754"),
        ("gradient_input", "gradient_input value", "returns: a 4D tensor representing"),
        ("initializers", 'initializers refused depthwise_initializer="constant"', "`depthwise_initializer`: that of"),
    ],
)
def test_a_fault_contradicts_the_sentence_of_its_arguments(check, family, said):
    found = documented(replace(DISCREPANCY, check=check, family=family))
    assert any(sentence.said.startswith(said) for sentence in found)


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_has_a_sentence(check):
    found = documented(replace(DISCREPANCY, check=check, family=f"{check} value"))
    assert found
    assert all(check in sentence.checks for sentence in found)


def test_every_cause_that_may_be_named_is_explained():
    assert [name for name in BY_NAME if not explained(name)] == []


def test_parts_of_a_cause_are_explained_one_by_one():
    told = "kernel flipped (input gradient) + bias missing + no such cause"
    assert [cause.name for cause in explained(told)] == ["kernel flipped", "bias missing"]
    assert explained("") == []


def test_they_are_on_the_page_and_linked(tmp_path):
    one = replace(DISCREPANCY, cause="kernel flipped", family="output value padding=same")
    seen = Page(write_page(write_folder(tmp_path, rows_of(Verdict.WRONG_VALUE), [one])))
    links = [link[1:] for link in seen.attributes("href") if link.startswith(("#says-", "#cause-"))]
    assert len(links) == 2
    assert set(links) <= set(seen.attributes("id"))
    assert causes()["kernel flipped"].meaning in seen.said()


def test_text_in_ticks_is_code_and_nothing_else():
    assert ticked("a `b<i>` <c>") == "a <code>b&lt;i&gt;</code> &lt;c&gt;"
