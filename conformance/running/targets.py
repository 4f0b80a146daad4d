"""Which targets there are, which were asked for, and the live ones of a run."""

from __future__ import annotations

import collections
import shlex
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from depthwise_conformance.adapters.builtin import BUILTIN, DEFAULT, GROUPS
from depthwise_conformance.adapters.loading import GROUP, adapter_names
from depthwise_conformance.casebook.case import AnyCase, Case
from depthwise_conformance.casebook.claims import EVERYTHING, Claim, ClaimError
from depthwise_conformance.judging.tally import KEPT
from depthwise_conformance.judging.traits import Traits
from depthwise_conformance.judging.values import Expectation, Judgement
from depthwise_conformance.reference import FORMATS, Arithmetic, arithmetics
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.agenda import PLAIN
from depthwise_conformance.running.environments import Environment, UnmadeError
from depthwise_conformance.running.javascript import node_command
from depthwise_conformance.running.making import in_environment
from depthwise_conformance.running.spelling import Spelling, spelled
from depthwise_conformance.running.targetfile import Named, read_targets
from depthwise_conformance.running.usage import UsageError
from depthwise_conformance.workers.compiled import compiled_folder
from depthwise_conformance.workers.process import Launch
from depthwise_conformance.workers.worker import Worker, WorkerBrokenError

WorkerKind = Callable[[Launch, float], Worker]


@dataclass(frozen=True)
class Request:
    """A target as asked for; `device` is "" for every device that it finds.

    `named` is what a file says of it, which is then called `label`; `builtin` is the built-in target that it is.

    With `requirements` it lives in an environment of its own, with these and the distributions `others` that it needs
    besides: in `environment`, once that is made, or else it is broken by what `unmade` says.
    """

    name: str
    launch: Launch
    device: str = ""
    requirements: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    environment: Environment | None = None
    unmade: str = ""
    named: Named | None = None
    label: str = ""
    builtin: str = ""


@dataclass
class Target:
    """A target of a run: its worker, and what became of it (`judged`, `broken` or `abandoned`)."""

    name: str
    device: str
    worker: Worker
    versions: Mapping[str, str] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    unsupported: Mapping[str, str] = field(default_factory=dict)
    declared: Mapping[str, Arithmetic] = field(default_factory=dict)
    traits: Traits = field(default_factory=Traits)
    status: str = "judged"
    message: str = ""
    claim: Claim = EVERYTHING
    most: int = 0  # cases that it is asked, as it says; 0 for all
    cases: int = 0
    judged: int = 0
    declined: collections.Counter[str] = field(default_factory=collections.Counter)  # cases, by the reason
    raised: list[Judgement] = field(default_factory=list)  # what the first cases raised, if each did
    hung: int = 0  # cases on which nothing was answered in time
    claimed: list[Case] = field(default_factory=list)  # the first of those that it was judged on
    seconds: float = 0.0
    workers: int = 1
    checks: tuple[str, ...] = ()  # those that a file keeps it to
    named: Named | None = None  # what a file says of it
    builtin: str = ""  # which built-in target it is, without device, of which scripts know the lines
    environment: Environment | None = None  # in which it lives, if not in this one
    cut_short: bool = False  # its diagnosis, or the search for a smallest case, by the clock

    def expects(self, expectation: Expectation) -> Expectation:
        """What is expected of this target: the same, unless it declares an arithmetic for the case's dtype."""
        declared = self.declared.get(expectation.case.dtype)
        return expectation if declared is None else replace(expectation, declared=declared, given=expectation.arrays)

    def count(self, case: AnyCase, judgements: Sequence[Judgement]) -> None:
        """Counts a case as judged, or as declined where every judgement says so."""
        refused = [judgement for judgement in judgements if judgement.verdict is Verdict.REFUSED]
        reasons = [judgement.signature for judgement in judgements if judgement.verdict is Verdict.UNSUPPORTED]
        if refused and len(refused) + len(reasons) == len(judgements) and len(self.raised) == self.judged < PLAIN:
            self.raised.append(refused[0])
        if len(reasons) == len(judgements):
            self.declined.update(reasons[:1])
            return
        self.judged += 1
        self.hung += {judgement.verdict for judgement in judgements} <= {Verdict.TIMED_OUT, Verdict.UNSUPPORTED}
        if isinstance(case, Case) and len(self.claimed) < KEPT:
            self.claimed.append(case)

    @property
    def version_text(self) -> str:
        """The versions as `Record` has them."""
        return ", ".join(f"{name} {version}" for name, version in self.versions.items())


def requests(
    targets: Sequence[str], adapters: Sequence[str], workers: Sequence[str] = (), files: Sequence[str] = ()
) -> list[Request]:
    """The targets asked for; without any, all that are named in files, or else those of the default run that are
    installed, and other packages' (or the given adapters and workers alone).

    `targets` are spelled `name[:mode][@device]`, or are the names of groups, of which those that are installed are
    taken; `adapters` are spelled `path/to/file.py:ClassName`, `workers` as one types a command. Raises UsageError.
    """
    named = read_targets(files)
    if named and not (targets or adapters or workers):
        targets = list(named)
    asked = [_by_name(spelling, named) for name in targets for spelling in _members(name)]
    asked += [_by_file(location) for location in adapters]
    asked += [Request(command, Launch(command, command=command_words(command))) for command in workers]
    asked = asked or [_by_name(name, {}) for name in adapter_names() if by_default(name) and not missing(name)]
    if not asked:
        raise UsageError("no framework is installed; try: pip install 'depthwise-conformance[torch]', or --adapter")
    return asked


def command_words(command: str) -> tuple[str, ...]:
    """The words of a command that starts a worker. Raises UsageError where it names no program that there is."""
    try:
        words = tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"worker {command!r}: {error}") from None
    if not words:
        raise UsageError(f"worker {command!r}: accepted is a command that starts a program, such as 'node worker.mjs'")
    if shutil.which(words[0]) is None:
        raise UsageError(f"worker {command!r}: there is no program {words[0]!r}, by path or on PATH")
    return words


def asking_for(target: Target) -> list[str]:
    """The options that ask for this target alone."""
    launch = target.worker.launch
    if target.named is not None:
        return ["--target", target.name, "--targets", target.named.file]
    if launch.adapter in {entry.entry_point for entry in BUILTIN.values()}:
        return ["--target", target.name]
    if launch.command != Launch.command:
        return ["--worker", launch.adapter, "--device", launch.device]
    if launch.adapter.rpartition(":")[0].endswith(".py") and target.environment is None:
        return ["--adapter", launch.adapter, "--device", launch.device]
    return ["--target", target.name]


def missing(name: str) -> tuple[str, ...]:
    """The packages that a built-in target needs and that are not installed (whichever distribution brings them).

    Of one in JavaScript, the programs.
    """
    if name not in BUILTIN:
        return ()
    if BUILTIN[name].script:
        return tuple(program for program in ("node", "npm") if shutil.which(program) is None)
    return tuple(package for package in BUILTIN[name].packages if find_spec(package) is None)


def distributions_of(name: str) -> tuple[str, ...]:
    """What installs a target's adapter and the packages that it needs, as pip takes it."""
    if name in BUILTIN:
        return BUILTIN[name].requirements or BUILTIN[name].packages
    return tuple(entry.dist.name for entry in entry_points(group=GROUP, name=name) if entry.dist)


def listed(name: str, mode: str) -> str:
    """Under which name a target is listed: a mode with an adapter of its own has one, `name:mode`."""
    return f"{name}:{mode}" if f"{name}:{mode}" in BUILTIN else name


def by_default(name: str) -> bool:
    """Whether a run judges the target where nobody says what: seven of ours, and all that other packages bring."""
    return name in DEFAULT or name not in BUILTIN


def members(group: str) -> tuple[str, ...]:
    """The spellings of a group's targets, installed or not; "all" is every group's."""
    groups = GROUPS.values() if group == "all" else (GROUPS[group],)
    return tuple(dict.fromkeys(spelling for names in groups for spelling in names))


def _members(name: str) -> list[str]:
    """The targets that a name stands for: itself, or those of a group that are installed."""
    if name != "all" and name not in GROUPS:
        return [name]
    found = [spelling for spelling in members(name) if not missing(listed(*spelling.partition(":")[::2]))]
    if not found:
        absent = ", ".join(members(name)) or "it has none"
        raise UsageError(f"target {name!r}: of this group nothing is installed: {absent}; see `targets`")
    return found


def open_targets(
    asked: Sequence[Request],
    timeout: float,
    device: str = "",
    only: Claim = EVERYTHING,
    kind: WorkerKind = Worker,
    threads: int = 0,
) -> list[Target]:
    """Starts a worker for every target asked for, on every device that it finds (or those that begin with `device`).

    Each is asked what it claims, and no more than `only`. `kind` says where it lives; it may use as many cores as
    `threads` says, 0 for all.
    """
    asked = [_made(replace(request, launch=replace(request.launch, cores=threads))) for request in asked]
    workers: list[Worker] = []
    opening = partial(_open, timeout=timeout, kind=kind, workers=workers)
    with ThreadPoolExecutor(max(len(asked), 1)) as pool:
        try:
            first = list(pool.map(opening, asked))
            others = [r for request, target in zip(asked, first, strict=True) for r in _other_devices(request, target)]
            opened = first + list(pool.map(opening, others))
        except BaseException:
            for worker in workers:
                worker.abort()
            raise
    found = [target for target in opened if not target.devices or target.device in target.devices]
    kept = [target for target in found if target.device.startswith(device) or target.status == "broken"]
    for target in opened:
        target.claim = only & target.claim
        if target not in kept:
            target.worker.close()
    if not kept:
        raise UsageError(f"there is no target on device {device!r}; found are {sorted({t.device for t in opened})}")
    order = [(request.launch.adapter, request.launch.python) for request in asked]
    return sorted(kept, key=lambda target: order.index((target.worker.launch.adapter, target.worker.launch.python)))


def _by_name(spelling: str, named: Mapping[str, Named]) -> Request:
    asked = spelled(spelling)
    names = adapter_names()
    if asked is not None and asked.name in named:
        return _by_definition(named[asked.name], asked)
    if asked is None or asked.name not in names:
        told = f"accepted are {', '.join((*named, *names))}, as name[requirement,...][:mode][@device]"
        raise UsageError(f"target {spelling!r}: {told}, and the groups all, {', '.join(GROUPS)}")
    name = listed(asked.name, asked.mode)
    if (absent := missing(name)) and not asked.requirements:
        needed = f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed"
        raise UsageError(f"target {spelling!r}: {needed}; try: {BUILTIN[name].installing}")
    launch = Launch(names[name], mode=asked.mode)
    if launch.adapter.endswith(".mjs"):
        if asked.requirements:
            raise UsageError(f"target {spelling!r}: accepted are requirements of targets in Python alone")
        launch = replace(launch, command=node_command(launch.adapter))
    others, builtin = distributions_of(name), asked.plain if name in BUILTIN else ""
    return Request(asked.name, launch, asked.device, asked.requirements, others, builtin=builtin)


def _by_definition(one: Named, asked: Spelling) -> Request:
    """The target that a file names, with the requirements, mode and device that were asked for instead of its own."""
    inner = one.target or Spelling("")
    own = asked.over(replace(inner, mode=one.mode or inner.mode, device=one.device or inner.device), one.requirements)
    if one.target is not None:
        found = _by_name(str(own), {})
    elif one.adapter:
        found = replace(_by_file(one.adapter), device=own.device, requirements=own.requirements)
    else:
        found = Request(one.command, Launch(one.command, command=command_words(one.command)), own.device)
    launch = replace(found.launch, mode=own.mode, variables=one.variables, memory=one.memory << 20)
    label = str(replace(asked, device=""))
    return replace(found, launch=launch, named=one, label=label, builtin="" if one.variables else found.builtin)


def _by_file(location: str) -> Request:
    file, _, name = location.rpartition(":")
    if not file.endswith(".py") or not Path(file).is_file():
        raise UsageError(f"adapter {location!r}: accepted is path/to/file.py:ClassName, of a file that exists")
    return Request(location, Launch(f"{Path(file).resolve()}:{name}"))


def _made(request: Request) -> Request:
    """With the environment that it lives in, or why there is none."""
    if not request.requirements:
        return request
    try:
        name = request.label or str(Spelling(request.name, request.requirements))
        found = in_environment(name, request.requirements, request.others)
    except UnmadeError as error:
        return replace(request, unmade=f"its environment could not be made:\n{error}")
    return replace(request, environment=found, launch=replace(request.launch, python=str(found.interpreter)))


def _open(request: Request, timeout: float, kind: WorkerKind, workers: list[Worker]) -> Target:
    device = request.device or "cpu"
    site = request.environment.site if request.environment else None
    launch = replace(request.launch, device=device, programs=compiled_folder(request.launch.adapter, device, site))
    worker = kind(launch, (request.named.timeout if request.named else 0.0) or timeout)
    workers.append(worker)
    try:
        if request.unmade:
            raise WorkerBrokenError(request.unmade)
        hello = worker.start()
        _check_choice(request, launch, hello)
        own = dict(request.named.arithmetic) if request.named else {}
        declared = declared_arithmetic({**hello.get("arithmetic", {}), **own})
        claim = read_claim(hello.get("claims", ""))
    except WorkerBrokenError as error:
        worker.close()
        return Target(_full_name(request, launch), launch.device, worker, status="broken", message=str(error))
    return Target(
        _full_name(replace(request, name=str(hello["name"])), launch),
        launch.device,
        worker,
        hello["versions"],
        tuple(hello["dtypes"]),
        tuple(hello["modes"]),
        tuple(hello["devices"]),
        hello["unsupported"],
        declared,
        claim=claim & request.named.claim if request.named else claim,
        most=_fewest(hello.get("cases", 0), request.named.examples if request.named else 0),
        checks=request.named.checks if request.named else (),
        named=request.named,
        builtin=request.builtin,
        environment=request.environment,
    )


def declared_arithmetic(names: Mapping[str, str]) -> dict[str, Arithmetic]:
    """The arithmetic that a target declares for each dtype. Raises WorkerBrokenError for names that there are not."""
    found = {}
    for dtype, name in names.items():
        known = {arithmetic.name: arithmetic for arithmetic in arithmetics(dtype)} if dtype in FORMATS else {}
        if name not in known:
            accepted = ", ".join(known) or f"a dtype of {', '.join(FORMATS)}"
            raise WorkerBrokenError(f"the arithmetic declared for {dtype} is {name!r}; accepted are {accepted}")
        found[dtype] = known[name]
    return found


def read_claim(text: str) -> Claim:
    """What a target claims. Raises WorkerBrokenError for what is none of the claims language."""
    try:
        return Claim(text)
    except ClaimError as error:
        raise WorkerBrokenError(f"its claims cannot be read: {error}") from None


def _check_choice(request: Request, launch: Launch, hello: Mapping[str, Any]) -> None:
    for what, chosen, offered in (
        ("mode", launch.mode, ["", *hello["modes"]]),
        ("device", request.device, ["", *hello["devices"]]),
    ):
        if chosen not in offered:
            raise WorkerBrokenError(f"{what} {chosen!r} is not offered by {request.name}; it has {offered[1:]}")


def _fewest(*counts: int) -> int:
    """The least of those that are given; 0 where none is."""
    return min((count for count in counts if count), default=0)


def _full_name(request: Request, launch: Launch) -> str:
    if request.label:
        return f"{request.label}@{launch.device}"
    return str(Spelling(request.name, request.requirements, launch.mode, launch.device))


def _other_devices(request: Request, target: Target) -> Iterator[Request]:
    if not request.device:
        yield from (replace(request, device=device) for device in target.devices if device != target.device)
