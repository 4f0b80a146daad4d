"""The file of known discrepancies: what an entry says, read strictly, and entries for what is new."""

from __future__ import annotations

import datetime
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from depthwise_conformance.casebook.claims import EVERYTHING, Claim, ClaimError
from depthwise_conformance.reports import words
from depthwise_conformance.reports.files import place_text
from depthwise_conformance.reports.record import CHECKS, Discrepancy, Verdict
from depthwise_conformance.running.spelling import without_requirements
from depthwise_conformance.running.usage import UsageError

TABLE = "known"  # [[known]], once for each entry
NONE = "none"  # for a url: there is none, and `why` says why
REQUIRED = ("target", "check", "reason", "url", "versions", "expires")
OPTIONAL = ("family", "condition", "verdict", "why", "unstable")
FILL_IN = "to be filled in by a person"
LASTS = datetime.timedelta(days=180)  # an entry that `--update-known` writes


@dataclass(frozen=True)
class Entry:
    """A known discrepancy: that of a `family`, or failing cases of a check that fulfil a `condition`, of a `verdict`.

    `name` is what it is told as: "entry 3 of known.toml". `versions` has a range for each distribution that it names.
    It holds to the end of the day `expires`. `unstable` says that it may pass, too.
    """

    name: str
    targets: tuple[str, ...]
    check: str
    reason: str
    url: str
    versions: Mapping[str, SpecifierSet]
    expires: datetime.date
    family: str = ""
    condition: Claim = EVERYTHING
    verdict: Verdict | None = None
    why: str = ""
    unstable: bool = False

    @property
    def link(self) -> str:
        """The url; where there is none, that, and why."""
        return self.url if self.url != NONE else f"{NONE}: {self.why}"

    def is_about(self, target: str, check: str) -> bool:
        """Whether it is about a check of a target, name[requirement,...][:mode]@device.

        A pattern without device is about every one, and so it is without requirements.
        """
        names = ((name, pattern) for pattern in self.targets for name in _names(target, "@" in pattern))
        return check == self.check and any(name == pattern or fnmatchcase(name, pattern) for name, pattern in names)

    def is_for(self, versions: Mapping[str, str]) -> bool:
        """Whether these versions are in its ranges; one that is no version, or is not told, is in none."""
        return all(_is_in(versions.get(name, ""), accepted) for name, accepted in self.versions.items())


def _names(target: str, device: bool) -> tuple[str, str]:
    """What a pattern may name a target by: with its requirements, and without."""
    full = target if device else target.rpartition("@")[0]
    return full, without_requirements(full)


def _is_in(version: str, accepted: SpecifierSet) -> bool:
    try:
        return accepted.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False


def read_known(files: Sequence[str]) -> tuple[Entry, ...]:
    """The entries of the files. Raises UsageError that says where what is given, and what is accepted."""
    return tuple(entry for file in files for entry in _read_file(Path(file)))


def _read_file(file: Path) -> list[Entry]:
    content = _load(file)
    if unknown := sorted(content.keys() - {TABLE}):
        raise UsageError(f"{file}: has a key {unknown[0]!r}: accepted are tables [[{TABLE}]] alone")
    return [_read(f"entry {number} of {file.name}", file, one) for number, one in enumerate(content[TABLE], start=1)]


def _load(file: Path) -> dict[str, Any]:
    """The file as TOML, its entries as a list of tables. Raises UsageError."""
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"known {file}: cannot be read: {error}") from None
    entries = content.setdefault(TABLE, [])
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise UsageError(f"{file}: {TABLE} = {entries!r}: accepted are tables [[{TABLE}]]")
    return content


def _read(name: str, file: Path, given: dict[str, Any]) -> Entry:
    fields = _Fields(f"{file}, {name.partition(' of ')[0]}", given)
    url = fields.text("url", f"an address, {FILL_IN}, or {NONE!r} beside why = ...")
    if url != NONE and not url.startswith(("https://", "http://")):
        raise fields.error("url", f"an address that begins with https://, or {NONE!r} beside why = ...")
    if (url == NONE) != ("why" in given):
        raise fields.error("why", f"text that says why there is no url, where url = {NONE!r}, and nowhere else")
    if ("family" in given) == ("condition" in given):
        raise UsageError(f"{fields.where}: accepted is one of family = ... and condition = ...")
    return Entry(
        name,
        fields.targets(),
        fields.choice("check", CHECKS),
        fields.text("reason", f"text that says what is known, {FILL_IN}"),
        url,
        fields.versions(),
        fields.date(),
        fields.family(),
        fields.condition(),
        fields.verdict(),
        fields.text("why", f"text, {FILL_IN}") if "why" in given else "",
        fields.flag("unstable"),
    )


class _Fields:
    """The fields of an entry, each read once. All raise UsageError, which says what is accepted."""

    def __init__(self, where: str, given: dict[str, Any]) -> None:
        self.where, self._given = where, given
        for name in REQUIRED:
            if name not in given:
                raise UsageError(f"{where}: has no {name}: required are {', '.join(REQUIRED)}")
        for name in given:
            if name not in (*REQUIRED, *OPTIONAL):
                raise UsageError(f"{where}: has a key {name!r}: accepted are {', '.join((*REQUIRED, *OPTIONAL))}")

    def error(self, name: str, accepted: str) -> UsageError:
        """What is wrong with a field."""
        given = self._given.get(name)
        told = "is missing" if given is None else f"= {given if isinstance(given, datetime.date) else repr(given)}"
        return UsageError(f"{self.where}: {name} {told}: accepted is {accepted}")

    def text(self, name: str, accepted: str) -> str:
        """Text that is not empty."""
        value = self._given.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self.error(name, accepted)
        return value.strip()

    def choice(self, name: str, accepted: Sequence[str]) -> str:
        """One of a few words."""
        if (value := self._given[name]) not in accepted:
            raise self.error(name, f"one of {', '.join(accepted)}")
        return str(value)

    def targets(self) -> tuple[str, ...]:
        """One pattern of targets, or several."""
        value = self._given["target"]
        listed = value if isinstance(value, list) else [value]
        if not listed or not all(isinstance(one, str) and one for one in listed):
            raise self.error(
                "target", 'a pattern of targets or a list of them, as in "keras-*" or ["torch@cpu", "jax"]'
            )
        return tuple(listed)

    def versions(self) -> dict[str, SpecifierSet]:
        """The range of each distribution."""
        value = self._given["versions"]
        accepted = 'a range for each distribution, as in {keras = ">=3.8,<3.16"}, or {} for any'
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise self.error("versions", accepted)
        try:
            return {name: SpecifierSet(text) for name, text in value.items()}
        except InvalidSpecifier:
            raise self.error("versions", accepted) from None

    def date(self) -> datetime.date:
        """The last day."""
        value = self._given["expires"]
        if isinstance(value, datetime.datetime) or not isinstance(value, datetime.date):
            raise self.error("expires", "a date without quotes, as in 2031-12-31")
        return value

    def family(self) -> str:
        """A family, which begins with the check; "" where there is none."""
        if "family" not in self._given:
            return ""
        begins = f"{self._given['check']} "
        value = self.text("family", f'one of discrepancies.csv, which begins "{begins}"')
        if not value.startswith(begins):
            raise self.error("family", f'one of discrepancies.csv, which begins "{begins}"')
        return value

    def condition(self) -> Claim:
        """A condition in the claims language; everything where there is none."""
        if "condition" not in self._given:
            return EVERYTHING
        try:
            return Claim(self.text("condition", "a statement of the claims language (docs/claims.md)"))
        except ClaimError as error:
            raise UsageError(f"{self.where}: condition: {error}") from None

    def verdict(self) -> Verdict | None:
        """The verdict that alone is known, of a condition: a family has it in its name."""
        if "verdict" not in self._given:
            return None
        if "family" in self._given:
            raise self.error("verdict", "none beside a family, which says it")
        accepted = [verdict.value for verdict in Verdict if verdict.is_discrepancy]
        return Verdict(self.choice("verdict", accepted))

    def flag(self, name: str) -> bool:
        """True or false, which is the default."""
        if not isinstance(value := self._given.get(name, False), bool):
            raise self.error(name, "true or false")
        return value


# Writing.


def check_update(file: Path) -> None:
    """Raises UsageError unless entries can be added to the file, or it can be made."""
    if file.exists():
        _load(file)
    elif not file.parent.is_dir():
        raise UsageError(f"update-known {file}: its folder is missing")


def add_new(file: Path, found: Sequence[Discrepancy], today: datetime.date) -> str:
    """Adds entries for the discrepancies that are not known, but for those that it has already; tells it in a line.

    Such an entry is malformed until somebody has filled in `reason` and `url`.
    """
    listed = _load(file)[TABLE] if file.exists() else []
    has = {(str(one.get("target")), str(one.get("family"))) for one in listed}
    new = {(one.target, one.family): one for one in found if not one.known and (one.target, one.family) not in has}
    if new:
        before = file.read_text("utf-8").rstrip() + "\n\n" if file.exists() else ""
        place_text(file, before + "\n".join(_entry(one, today) for one in new.values()))
    return f"{file}: {words.counted(len(new), 'entry', 'entries')} added, {FILL_IN}: reason and url.\n" if new else ""


def _entry(one: Discrepancy, today: datetime.date) -> str:
    versions = (part.split(" ") for part in one.versions.split(", ") if part.count(" ") == 1)
    ranges = ", ".join(f"{_key(name)} = {_quoted(f'=={_public(version)}')}" for name, version in versions)
    told = {"cause": one.cause, "condition": one.condition, "place": one.place}
    lines = [
        f"# {one.id}: {one.check} is {one.verdict.value} on {one.failing} cases",
        *(f"# {name}: {_one_line(text)}" for name, text in told.items() if text),
        f"[[{TABLE}]]",
        f"target = {_quoted(one.target)}",
        f"check = {_quoted(one.check)}",
        f"family = {_quoted(one.family)}",
        'reason = ""',
        'url = ""',
        f"versions = {{{ranges}}}",
        f"expires = {(today + LASTS).isoformat()}",
    ]
    return "\n".join(lines) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _quoted(name)


def _public(version: str) -> str:
    """Without the build, which is not what a range is about."""
    return version.partition("+")[0]


def _one_line(text: str) -> str:
    return " ".join(json.dumps(text, ensure_ascii=False)[1:-1].replace("\x7f", "").split())


def _quoted(text: str) -> str:
    """As a string of TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
