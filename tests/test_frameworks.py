"""The targets that come with the package, as installed: they start, they agree on plain cases, what was found stands.

The findings here are those of `docs/findings.md` that do not depend on the machine's instruction set or on what
uninitialised memory holds. When a new release mends one, its line goes, and the page is told.
"""

import pytest

from depthwise_conformance.adapters.builtin import BUILTIN
from depthwise_conformance.case import AnyCase, Case, Data, Refusal, canonical
from depthwise_conformance.engine import Engine, Options
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import CHECKS, Verdict
from depthwise_conformance.targets import Target, missing, open_targets, requests

INSTALLED = [name for name in BUILTIN if not missing(name)]
KERAS = ("keras-tensorflow", "keras-torch", "keras-jax")


@pytest.fixture(scope="module")
def targets():
    opened = open_targets(requests([f"{name}@cpu" for name in INSTALLED], []), timeout=120.0)
    yield {target.name.removesuffix("@cpu"): target for target in opened}
    for target in opened:
        target.worker.close()


@pytest.fixture(scope="module")
def engine():
    return Engine(Options(), lambda records: None)


def plain(*shape: int, seed: int = 1, recipe: str = "uniform", **arguments: object) -> Case:
    return Case(LayerConfig.from_json({"kernel_size": 2, **arguments}), shape, Data(recipe, seed))  # type: ignore[arg-type]


AGREED = (
    plain(2, 5, 6, 3),
    plain(1, 4, 4, 2, padding="same", activation="relu", depth_multiplier=2),
    plain(1, 7, 7, 3, strides=2, use_bias=False),
    plain(1, 7, 8, 3, dilation_rate=3, padding="same", activation="tanh"),
)


@pytest.mark.parametrize("name", INSTALLED)
def test_a_target_starts_and_describes_itself(name: str, targets: dict[str, Target]) -> None:
    target = targets[name]
    assert (target.status, target.message) == ("judged", "")
    assert target.versions and "cpu" in target.devices


@pytest.mark.parametrize("case", AGREED, ids=lambda case: canonical(case.config.to_json()))
@pytest.mark.parametrize("name", INSTALLED)
def test_plain_cases_pass_on_every_target(name: str, case: Case, targets: dict[str, Target], engine: Engine) -> None:
    for check in CHECKS:
        judgement = engine.judge(targets[name], case, check)
        assert judgement is None or judgement.verdict in (Verdict.PASS, Verdict.UNSUPPORTED), judgement


STRIDED_DILATION = Refusal(canonical({"kernel_size": 3, "strides": 2, "dilation_rate": 2}), (1, 9, 9, 2), "ValueError")
BIAS_ALONG_WIDTH = plain(1, 2, 3, 4, kernel_size=1, depth_multiplier=2, data_format="channels_first")
LONG_BIAS_SUM = plain(4, 16, 16, 2, kernel_size=1, dtype="bfloat16")
FINDINGS: tuple[tuple[str, AnyCase, str, Verdict], ...] = (
    *((name, STRIDED_DILATION, "errors", Verdict.ERROR_MISSING) for name in KERAS),
    ("keras-tensorflow", BIAS_ALONG_WIDTH, "output", Verdict.WRONG_VALUE),
    ("keras-tensorflow", plain(0, 7, 8, 3, use_bias=False), "shape", Verdict.WRONG_SHAPE),
    ("tensorflow", plain(0, 7, 8, 3, use_bias=False), "shape", Verdict.WRONG_SHAPE),
    ("keras-tensorflow", plain(1, 8, 8, 3, strides=[1, 2], dtype="float64"), "output", Verdict.REFUSED),
    ("keras-jax", plain(1, 3, 3, 1, dtype="float64"), "dtype", Verdict.WRONG_DTYPE),
    ("jax", plain(1, 3, 3, 1, dtype="float64"), "dtype", Verdict.WRONG_DTYPE),
    ("tensorflow", plain(1, 6, 6, 3, dtype="float64", activation="gelu"), "output", Verdict.WRONG_VALUE),
    (
        "torch",
        plain(1, 8, 8, 3, kernel_size=3, dtype="float64", activation="softplus", recipe="integers"),
        "output",
        Verdict.WRONG_VALUE,
    ),
    ("tensorflow", LONG_BIAS_SUM, "gradient_bias", Verdict.IMPRECISE),
    ("jax", LONG_BIAS_SUM, "gradient_bias", Verdict.IMPRECISE),
)


@pytest.mark.parametrize(
    ("name", "case", "check", "verdict"), FINDINGS, ids=lambda value: str(getattr(value, "id", value))
)
def test_what_was_found_by_hand_is_found(
    name: str, case: AnyCase, check: str, verdict: Verdict, targets: dict[str, Target], engine: Engine
) -> None:
    judgement = engine.judge(targets[name], case, check)
    assert judgement is not None
    assert judgement.verdict is verdict, judgement.detail
