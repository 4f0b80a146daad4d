"""The targets of other libraries and languages, as far as they are installed: they start, and plain cases pass.

What was found in them by hand is found; where a release mends it, its line goes, and docs/findings.md is told.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from depthwise_conformance.adapters.builtin import GROUPS
from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.targets import Target, missing, open_targets, requests
from depthwise_conformance.running.usage import UsageError

SPELLINGS = tuple(dict.fromkeys((*GROUPS["browser"], *GROUPS["libraries"])))


def plain(*shape: int, **arguments: object) -> Case:
    return Case(LayerConfig.from_json({"kernel_size": 2, **arguments}), shape, Data("uniform", 1))  # type: ignore[arg-type]


AGREED = (
    plain(2, 5, 6, 3),
    plain(1, 3, 5, 6, data_format="channels_first"),
    plain(1, 4, 4, 2, padding="same", activation="relu", depth_multiplier=2),
    plain(1, 7, 7, 3, kernel_size=3, strides=2, padding="same", use_bias=False),
    plain(1, 7, 8, 3, dilation_rate=[2, 3]),
)
CHECKS = ("output", "shape", "dtype", "gradient_input", "gradient_kernel", "gradient_bias", "shape_inference")
KNOWN = {"tfjs-layer": "dilation_rate"}  # what is in docs/findings.md, by the argument
FINDINGS = (  # and by target, check, verdict
    ("tfjs-layer", plain(1, 4, 4, 1, dilation_rate=2, padding="same"), "output", Verdict.WRONG_VALUE),
    ("tfjs:wasm", plain(1, 4, 4, 1, kernel_size=[1, 2], strides=[2, 1], padding="same"), "output", Verdict.WRONG_VALUE),
    ("tract", plain(1, 30, 30, 2, kernel_size=9, dtype="float16"), "output", Verdict.IMPRECISE),
    ("mlx", plain(0, 3, 3, 2), "gradient_kernel", Verdict.CRASHED),
    ("keras-numpy", plain(1, 3, 3, 1, dtype="float64"), "dtype", Verdict.WRONG_DTYPE),
)


@pytest.fixture(scope="module", params=SPELLINGS)
def target(request) -> Iterator[Target]:
    if absent := missing(request.param.partition(":")[0]):
        pytest.skip(f"{', '.join(absent)} not installed")
    try:
        asked = requests([f"{request.param}@cpu"], [])
    except UsageError as error:
        if "not found on PATH" not in str(error):  # a set-up that fails is no reason to skip
            raise
        pytest.skip(str(error))
    (opened,) = open_targets(asked, timeout=120.0)
    yield opened
    opened.worker.close()


def test_plain_cases_pass_and_what_was_found_by_hand_is_found(target: Target) -> None:
    assert (target.status, target.message) == ("judged", "")
    assert target.versions and target.devices[0] == "cpu"
    examiner, passed = Examiner(CHECKS), set[str]()
    found = KNOWN.get(target.name.partition("@")[0].partition(":")[0], "")
    for case in AGREED:
        if not target.claim.covers(case) or (found and found in case.config.to_json()):
            continue
        for check in CHECKS:
            judgement = examiner.judge(target, case, check)
            assert judgement is None or judgement.verdict in (Verdict.PASS, Verdict.UNSUPPORTED), (case, judgement)
            passed |= {check} if judgement and judgement.verdict is Verdict.PASS else set()
    spelling = target.name.removesuffix("@cpu")
    for case, check, verdict in ((case, check, verdict) for name, case, check, verdict in FINDINGS if name == spelling):
        judgement = examiner.judge(target, case, check)
        assert judgement is not None and judgement.verdict is verdict, (case, judgement)
    assert {"output", "shape", "dtype"} <= passed
