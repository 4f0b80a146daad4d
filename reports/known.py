"""What became of the entries of a known list, as `run.json` tells it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from depthwise_conformance.reports.record import Discrepancy
from depthwise_conformance.reports.words import counted

Entry = Mapping[str, Any]  # what run.json says of an entry


class State(StrEnum):
    """What became of an entry on one target."""

    KNOWN = "known"  # it covers a discrepancy
    STALE = "stale"  # asked for, and not found
    EXPIRED = "expired"  # its day is over
    PASSED = "passed"  # unstable, and this time not found
    TOLD_OTHERWISE = "told otherwise"  # its cases fail, but another check tells that, or the verdict is another
    OTHER_VERSION = "other version"  # the target is of none that it names


IDLE = {  # what is said of an entry of which no more became, on any target
    State.OTHER_VERSION: "for other versions than those judged",
    State.PASSED: "unstable and not found this time",
    State.TOLD_OTHERWISE: "whose cases fail, but are told by another check or with another verdict",
}
OUTDATED = (State.STALE, State.EXPIRED)  # which fail a run


def join_known(runs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The entries of several runs, each once, with all the targets that it was held against."""
    joined: dict[tuple[str, ...], dict[str, Any]] = {}
    for run in runs:
        for one in run.get("known") or ():
            key = tuple(str(one.get(name)) for name in ("entry", "target", "check", "told"))
            entry = joined.setdefault(key, {**one, "on": {}})
            entry["on"] |= one.get("on", {})
    return list(joined.values())


ADVICE = {  # what is to be done about an entry
    State.STALE: "if that is mended, remove it; if it comes and goes with the machine, it is unstable",
    State.EXPIRED: "look again, renew it or remove it",
}


def is_outdated(entries: Iterable[Entry]) -> bool:
    """Whether any entry is stale or has expired."""
    return any(state in OUTDATED for one in entries for state in one["on"].values())


def tell_outdated(entries: Iterable[Entry]) -> list[str]:
    """Each entry that is stale or has expired, in words."""
    return [told for one in entries for told in _tell_outdated(one)]


def _tell_outdated(one: Entry) -> Iterator[str]:
    about = f"{one['entry']} ({', '.join(one['target'])}; {one['check']}: {one['told']})"
    words = {State.STALE: "was asked for, and not found on", State.EXPIRED: f"held until {one['expires']}, for"}
    for state, told in words.items():
        if names := [name for name, found in one["on"].items() if found == state]:
            yield f"{state.value}: {about} {told} {', '.join(names)}: {ADVICE[state]}"


def tell_idle(entries: Iterable[Entry]) -> list[str]:
    """How many entries had no effect, for each reason."""
    idle = Counter(why for one in entries if (why := _why_idle(one["on"])))
    return [f"{counted(count, 'known entry', 'known entries')} {why}" for why, count in idle.items()]


def _why_idle(on: Mapping[str, str]) -> str:
    """Why an entry had no effect; "" where it had."""
    if not on:
        return "never exercised: no case was judged that asks for it"
    return IDLE.get(State(next(iter(on.values()))), "") if len(set(on.values())) == 1 else ""


def tell_counts(found: Sequence[Discrepancy], listed: bool) -> str:
    """How many discrepancies there are, and where there is a known list how many of them are new."""
    total = counted(len(found), "distinct discrepancy", "distinct discrepancies")
    if not listed:
        return total
    known = sum(bool(one.known) for one in found)
    return f"{total} ({len(found) - known} new, {known} known)"
