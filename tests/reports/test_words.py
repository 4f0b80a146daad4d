"""The words of reports: every verdict and check has its own, and figures are short."""

from __future__ import annotations

import math

from depthwise_conformance.reports import words
from depthwise_conformance.reports.record import CHECKS, Verdict


def test_every_verdict_and_check_has_its_words():
    assert set(words.MEANINGS) == set(Verdict)
    assert set(words.CHECKS) == set(CHECKS)
    for verdict in Verdict:
        assert bool(words.MEANINGS[verdict].phrase) == verdict.is_discrepancy
    assert words.title("save_load", Verdict.REFUSED) == "refuses a valid case (loaded layer)"


def test_figures_are_short():
    assert [words.figure(error) for error in (math.nan, math.inf, 0.3149, 9.5, 18000, 3e9)] == [
        *("", "∞", "0.31", "9.50", "18,000", "3.0e+09")
    ]
    assert [words.duration(seconds) for seconds in (4.21, 75, 3725)] == ["4.2 s", "1 min 15 s", "1 h 2 min"]
    assert [words.share(error) for error in (math.nan, 0.314, 7.0, math.inf)] == [0, 31, 100, 100]


def test_numbers_in_names_count_as_numbers():
    names = ["k[k==3.12]@cpu", "k[k==3.4]@cpu", "k@cpu", "k:x64@cpu", "j2", "j"]
    assert sorted(names, key=words.by_numbers) == ["j", "j2", "k:x64@cpu", "k@cpu", "k[k==3.4]@cpu", "k[k==3.12]@cpu"]
