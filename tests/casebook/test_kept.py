"""Draws kept on disk: read instead of drawn, drawn again where the file is not what was written, and not for ever."""

from __future__ import annotations

import os

import pytest

from depthwise_conformance.casebook import kept as module
from depthwise_conformance.casebook.case import Case
from depthwise_conformance.casebook.claims import EVERYTHING, Claim
from depthwise_conformance.casebook.fixed import fixed_cases
from depthwise_conformance.casebook.kept import kept, prune

DRAWN: list[tuple[int, Claim]] = []


@kept
def draw(count: int, claim: Claim = EVERYTHING) -> tuple[Case, ...]:
    DRAWN.append((count, claim))
    return fixed_cases(claim)[:count]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    DRAWN.clear()
    return tmp_path


def test_what_was_drawn_is_read(cache):
    first = draw(2)
    assert len(first) == 2
    assert draw(2) == draw(count=2) == draw(2, EVERYTHING) == first
    assert DRAWN == [(2, EVERYTHING)]
    assert draw(1) == first[:1]
    draw(2, Claim("batch > 0"))
    assert [count for count, _ in DRAWN] == [2, 1, 2]
    assert len(list(cache.rglob("*.json"))) == 3
    assert not [file for file in cache.rglob("*") if file.is_file() and file.suffix != ".json"]


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff\n[]", None])
def test_a_damaged_file_is_drawn_again(cache, damage):
    first = draw(2)
    (file,) = cache.rglob("*.json")
    file.write_bytes(file.read_bytes()[:-3] if damage is None else damage)
    assert draw(2) == first
    assert draw(2) == first
    assert len(DRAWN) == 2


def test_other_sources_or_releases_draw_anew(monkeypatch):
    draw(1)
    module._digest.cache_clear()
    monkeypatch.setattr(module, "version", lambda name: "another")
    draw(1)
    module._digest.cache_clear()
    assert len(DRAWN) == 2


def test_where_nothing_can_be_written_all_is_drawn(cache, monkeypatch):
    (cache / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file"))
    assert draw(2) == draw(2) == fixed_cases()[:2]


def test_what_is_more_than_the_limit_goes_the_oldest_first(tmp_path):
    for age in range(8):
        path = tmp_path / "kept" / f"build-{age % 2}" / f"{age}-cache"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(4096))
        os.utime(path, (1000 - age, 1000 - age))
    used = sum(path.stat().st_blocks * 512 for path in tmp_path.rglob("*-cache"))
    prune(tmp_path.rglob("*-cache"), limit=used)
    assert len(list(tmp_path.rglob("*-cache"))) == 8
    prune(tmp_path.rglob("*-cache"), limit=used - 1)
    assert sorted(path.name for path in tmp_path.rglob("*-cache")) == ["0-cache", "1-cache", "2-cache"]
