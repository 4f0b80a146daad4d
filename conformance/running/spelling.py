"""How targets are spelled: name[requirement,...][:mode][@device]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from depthwise_conformance.running.usage import UsageError

SPELLING = re.compile(
    r"(?P<name>[^:@\[\]]+)(\[(?P<requirements>(?:[^\[\]]|\[[^\[\]]*\])*)\])?(:(?P<mode>[^@]+))?(@(?P<device>.+))?"
)
COMMA = re.compile(r",(?![^\[]*\])(?=\s*[A-Za-z0-9])")  # not within extras, nor between the bounds of one version
ACCEPTED = "accepted are distributions of an index with their versions, as in keras-torch[keras==3.8.0,torch>=2.5,<2.9]"


@dataclass(frozen=True)
class Spelling:
    """A target by its name; `requirements` say that it lives in an environment of its own, and what has to be there."""

    name: str
    requirements: tuple[str, ...] = ()
    mode: str = ""
    device: str = ""

    @property
    def plain(self) -> str:
        """Its name and mode alone."""
        return f"{self.name}:{self.mode}" if self.mode else self.name

    def over(self, other: Spelling, requirements: Sequence[str] = ()) -> Spelling:
        """Another target, with what this one says in the place of what that says, or those further requirements."""
        wanted = {
            canonicalize_name(Requirement(text).name): text
            for text in (*other.requirements, *requirements, *self.requirements)
        }
        return Spelling(
            other.name, tuple(sorted(wanted.values())), self.mode or other.mode, self.device or other.device
        )

    def __str__(self) -> str:
        where = f"[{','.join(self.requirements)}]" if self.requirements else ""
        return f"{self.name}{where}{f':{self.mode}' if self.mode else ''}{f'@{self.device}' if self.device else ''}"


def spelled(text: str) -> Spelling | None:
    """What a text spells; None where it is none. Raises UsageError for requirements that cannot be had."""
    if (match := SPELLING.fullmatch(text)) is None:
        return None
    bracket = match["requirements"]
    wanted = () if bracket is None else read_requirements(f"target {text!r}", COMMA.split(bracket))
    return Spelling(match["name"], wanted, match["mode"] or "", match["device"] or "")


def without_requirements(text: str) -> str:
    """A target's name, which may be any text, without the requirements that it may have."""
    match = SPELLING.fullmatch(text)
    if match is None or match["requirements"] is None:
        return text
    return match["name"] + text[match.end("requirements") + 1 :]


def read_requirements(where: str, given: list[str]) -> tuple[str, ...]:
    """Requirements in one spelling and order. Raises UsageError."""
    found = []
    for text in given:
        try:
            one = Requirement(text)
        except InvalidRequirement:
            raise UsageError(f"{where}: {text.strip()!r} is no requirement: {ACCEPTED}") from None
        if one.url or one.marker:
            raise UsageError(f"{where}: {text.strip()!r}: {ACCEPTED}")
        found.append(str(one))
    return tuple(sorted(found))


def with_release(target: str, package: str, release: str) -> Spelling:
    """The target with that release of a package, whatever else its requirements say. Raises UsageError."""
    found = spelled(target)
    if found is None:
        raise UsageError(f"target {target!r}: accepted is name[requirement,...][:mode][@device]")
    others = [
        one for one in found.requirements if canonicalize_name(Requirement(one).name) != canonicalize_name(package)
    ]
    wanted = read_requirements(f"release {release!r} of {package!r}", [*others, f"{package}=={release}"])
    return replace(found, requirements=wanted)
