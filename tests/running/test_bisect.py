"""`bisect` and `matrix`: which releases are judged, what is told of them, and what is asked for."""

from __future__ import annotations

import pytest

from depthwise_conformance import Case, LayerConfig
from depthwise_conformance.running import bisecting, cli
from depthwise_conformance.running.bisecting import Bisection, Result, releases_of
from depthwise_conformance.running.casefiles import write_case
from depthwise_conformance.running.commands import bisect, matrix, run
from depthwise_conformance.running.spelling import with_release
from depthwise_conformance.running.usage import UsageError

RELEASES = tuple(f"1.{number}.0" for number in range(40))


def searched(fails, broken=()) -> Bisection:
    """A search over forty releases, of which the numbers `broken` cannot be judged."""

    def judge(release: str) -> Result:
        number = int(release.split(".")[1])
        return Result(None, "cannot be made") if number in broken else Result(fails(number))

    found = Bisection(RELEASES, judge)
    found.search()
    return found


@pytest.mark.parametrize("first", [1, 2, 17, 38, 39])
@pytest.mark.parametrize("broken_then", [True, False])
def test_the_neighbours_between_which_it_changes_are_found_by_few_judgements(first, broken_then):
    found = searched(lambda number: (number >= first) is broken_then)
    assert found.change == (RELEASES[first - 1], RELEASES[first])
    assert len(found.results) <= 2 + 6 + bisecting.FURTHER
    assert found.contradicting == []


def test_releases_that_cannot_be_judged_are_passed_over():
    found = searched(lambda number: number < 20, broken={*range(10), 19, 20, 21, 39})
    assert found.change == (RELEASES[18], RELEASES[22])
    assert {RELEASES[19], RELEASES[20], RELEASES[21]} <= found.results.keys()
    assert sum(found.results[one].fails is None for one in found.results) < 10


def test_a_change_between_ends_that_agree_is_found_and_told_as_more_than_one():
    found = searched(lambda number: 15 <= number < 26)
    assert found.change == (RELEASES[14], RELEASES[15])
    assert RELEASES[39] in found.contradicting


def test_nothing_changes_where_all_agree_or_nothing_can_be_judged():
    alike = searched(lambda number: True)
    assert (alike.change, len(alike.results)) == (None, 2 + bisecting.FURTHER)
    none = searched(lambda number: True, broken=range(40))
    assert (none.change, none.contradicting) == (None, [])


def test_releases_are_those_that_pip_lists_without_pre_releases(monkeypatch):
    class Listed:
        stdout = "keras (3.9.0)\nAvailable versions: 3.10.0, 3.9.0, 3.9.0rc1, 3.8.0, 2.15.0\n"
        stderr = ""

    monkeypatch.setattr(bisecting.subprocess, "run", lambda *arguments, **options: Listed)
    assert releases_of("keras", "3.0", "") == ["3.8.0", "3.9.0", "3.10.0"]
    assert releases_of("keras", "", "3.9") == ["2.15.0", "3.8.0", "3.9.0"]
    with pytest.raises(UsageError, match="has 1 releases; accepted are two or more"):
        releases_of("keras", "3.10", "")
    with pytest.raises(UsageError, match="accepted are versions"):
        releases_of("keras", "three", "")


def test_a_release_takes_the_place_of_another_and_leaves_the_rest():
    spelled = with_release("keras-torch[Keras==3.0,torch==2.5.1]:mode@cpu", "keras", "3.8.0")
    assert str(spelled) == "keras-torch[keras==3.8.0,torch==2.5.1]:mode@cpu"
    with pytest.raises(UsageError, match="accepted are distributions"):
        with_release("keras-torch", "keras", ">=3.0")


@pytest.mark.parametrize(
    ("fails", "status", "told"),
    [
        (
            lambda release: release < "1.2",
            0,
            "The last release that fails: keras 1.1.0. The first that passes: keras 1.2.0.",
        ),
        (lambda release: release == "1.2.0", 0, "It changes more than once: otherwise than that says 1.3.0."),
        (lambda release: True, 1, "It does not change: all that were judged are alike."),
        (lambda release: None, 2, "It does not change"),
    ],
)
def test_what_is_told_is_fit_for_an_issue(fails, status, told, tmp_path, monkeypatch, capsys):
    case = write_case(tmp_path, Case(LayerConfig((2, 2), strides=(2, 4), padding="same"), (2, 2, 4, 1)))
    monkeypatch.setattr(bisect, "releases_of", lambda *arguments: RELEASES[:4])
    monkeypatch.setattr(bisect.Trial, "judge", lambda trial, release: Result(fails(release)))
    assert cli.main(["bisect", str(case), "--target", "keras-torch", "--package", "keras"]) == status
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("DepthwiseConv2D(kernel_size=(2, 2)")
    assert told in "\n".join(lines)
    assert "'keras-torch[keras==1.3.0]@cpu'" in lines[-1]


def test_a_matrix_is_a_run_of_every_target_with_every_release(monkeypatch):
    asked = []
    monkeypatch.setattr(run, "run", lambda options: asked.append(options.target) or 0)
    words = ["matrix", "--target", "keras-torch", "--target", "keras-jax:x64", "--package", "keras"]
    assert cli.main([*words, "--releases", "3.8, 3.9.*", "--examples", "20", "--", "-k", "output"]) == 0
    assert asked == [
        [
            *("keras-torch[keras==3.8]", "keras-torch[keras==3.9.*]"),
            *("keras-jax[keras==3.8]:x64", "keras-jax[keras==3.9.*]:x64"),
        ]
    ]
    assert matrix.runs is run


def test_a_matrix_without_a_target_is_refused(capsys):
    assert cli.main(["matrix", "--package", "keras", "--releases", "3.8"]) == 2
    assert "accepted is --target" in capsys.readouterr().err
