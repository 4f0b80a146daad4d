"""The release from which on a case fails, or passes, found by judging few of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from depthwise_conformance.running.usage import UsageError

LISTED = "Available versions:"
FURTHER = 3  # releases that are judged where both ends agree, or besides those that the search needs


@dataclass(frozen=True)
class Result:
    """What came of a release: whether it `fails`, None where it could not be judged, and that in a line."""

    fails: bool | None
    told: str = ""


@dataclass
class Bisection:
    """The results by release, in the order of releases, and the two between which it changes, where it does."""

    releases: Sequence[str]
    judge: Callable[[str], Result]
    results: dict[str, Result] = field(default_factory=dict)
    change: tuple[str, str] | None = None

    def search(self) -> None:
        """The ends first, then halves; then some more, to see whether it changes once."""
        low, high = self._first_judged(self.releases), self._first_judged(self.releases[::-1])
        if low is None or high is None:
            return
        if self._fails(low) == self._fails(high):
            other = next((one for one in self._between(low, high) if self._fails(one) != self._fails(low)), None)
            if other is None:
                return
            high = other
        self.change = self._halve(low, high)
        for one in self._between(*self._ends())[:FURTHER]:
            self.result(one)

    @property
    def contradicting(self) -> list[str]:
        """The releases that were judged otherwise than one change would have it."""
        if self.change is None:
            return []
        place = {one: number for number, one in enumerate(self.releases)}
        before, after = self.change
        judged = [one for one in self.releases if one in self.results and self.results[one].fails is not None]
        return [
            one for one in judged if self._fails(one) != self._fails(before if place[one] <= place[before] else after)
        ]

    def result(self, release: str) -> Result:
        """What comes of a release, which is judged once."""
        if release not in self.results:
            self.results[release] = self.judge(release)
        return self.results[release]

    def _fails(self, release: str) -> bool | None:
        return self.result(release).fails

    def _first_judged(self, releases: Sequence[str]) -> str | None:
        """The first that can be judged, or nearly: in longer and longer steps, and back by halves."""
        steps = sorted({0, *((1 << power) - 1 for power in range(len(releases).bit_length())), len(releases) - 1})
        found = next((place for place in steps if self._fails(releases[place]) is not None), None)
        if found is None:
            return None
        missed = max((place for place in steps if place < found), default=-1)
        while found - missed > 1:
            middle = (found + missed) // 2
            found, missed = (middle, missed) if self._fails(releases[middle]) is not None else (found, middle)
        return releases[found]

    def _ends(self) -> tuple[str, str]:
        return self.releases[0], self.releases[-1]

    def _halve(self, low: str, high: str) -> tuple[str, str]:
        """The neighbours between which it changes, as far as what lies between them can be judged."""
        start, end = self.releases.index(low), self.releases.index(high)
        while inner := sorted(range(start + 1, end), key=lambda place: abs(2 * place - start - end)):
            judged = next((place for place in inner if self._fails(self.releases[place]) is not None), None)
            if judged is None:
                break
            if self._fails(self.releases[judged]) == self._fails(low):
                start = judged
            else:
                end = judged
        return self.releases[start], self.releases[end]

    def _between(self, low: str, high: str) -> list[str]:
        """Releases that were not judged, those first that are farthest from any that was."""
        start, end = self.releases.index(low), self.releases.index(high)
        known = [place for place, one in enumerate(self.releases) if one in self.results]
        free = [place for place in range(start, end + 1) if place not in known]
        chosen: list[str] = []
        while free and len(chosen) < FURTHER:
            farthest = max(free, key=lambda place: min(abs(place - other) for other in known))
            free.remove(farthest)
            known.append(farthest)
            chosen.append(self.releases[farthest])
        return chosen


def releases_of(package: str, first: str, last: str) -> list[str]:
    """The releases that can be installed here, from the first to the last, "" for no bound. Raises UsageError.

    Those that are yanked, and pre-releases, are none.
    """
    command = [sys.executable, "-P", "-m", "pip", "index", "versions", package]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    listed = [line.removeprefix(LISTED) for line in asked.stdout.splitlines() if line.startswith(LISTED)]
    if not listed:
        said = "\n".join(asked.stderr.strip().splitlines()[-3:])
        raise UsageError(f"package {package!r}: its releases are not to be had by `pip index versions`:\n{said}")
    found = sorted(map(Version, listed[0].replace(" ", "").split(",")))
    lowest, highest = (_version(text) for text in (first or str(found[0]), last or str(found[-1])))
    within = [str(one) for one in found if lowest <= one <= highest and not one.is_prerelease]
    if len(within) < 2:
        raise UsageError(f"{package} from {lowest} to {highest}: has {len(within)} releases; accepted are two or more")
    return within


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        raise UsageError(f"release {text!r}: accepted are versions, as in 3.8.0") from None
