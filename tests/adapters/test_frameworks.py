"""The targets that come with the package, as installed: they start, they agree on plain cases, what was found stands.

The findings here are those of `docs/findings.md` that do not depend on the machine's instruction set or on what
uninitialised memory holds. When a new release mends one, its line goes, and the page is told.
"""

import pytest

from depthwise_conformance.adapters.builtin import DEFAULT
from depthwise_conformance.casebook.case import AnyCase, Case, Data, LayerCase, Refusal, canonical
from depthwise_conformance.judging.values import expect
from depthwise_conformance.layers.asking import judge_layers
from depthwise_conformance.layers.catalogue import layer_cases
from depthwise_conformance.layers.refusals import OUTSIDE
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import CHECKS, Verdict
from depthwise_conformance.running.examining import Examiner
from depthwise_conformance.running.targets import Target, missing, open_targets, requests

INSTALLED = [name for name in DEFAULT if not missing(name)]
KERAS = ("keras-tensorflow", "keras-torch", "keras-jax")


@pytest.fixture(scope="module")
def targets():
    opened = open_targets(requests([f"{name}@cpu" for name in INSTALLED], []), timeout=120.0)
    yield {target.name.removesuffix("@cpu"): target for target in opened}
    for target in opened:
        target.worker.close()


@pytest.fixture(scope="module")
def examiner():
    return Examiner(CHECKS)


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


@pytest.mark.parametrize("name", INSTALLED)
def test_plain_cases_pass_on_every_target(name: str, targets: dict[str, Target], examiner: Examiner) -> None:
    target, asked = targets[name], [expect(case) for case in AGREED]
    found = [pair for one in examiner.examine_all(target, asked, CHECKS, thorough=True) for pair in one.found]
    assert {check for check, _ in found} > {"output", "gradient_kernel", "determinism", "purity", "memory"}
    for judgement in (*(judgement for _, judgement in found), *examiner.judge_cores(target, asked)):
        assert judgement is None or judgement.verdict in (Verdict.PASS, Verdict.UNSUPPORTED), judgement


STRIDED_DILATION = Refusal(canonical({"kernel_size": 3, "strides": 2, "dilation_rate": 2}), (1, 9, 9, 2), "ValueError")
BIAS_ALONG_WIDTH = plain(1, 2, 3, 4, kernel_size=1, depth_multiplier=2, data_format="channels_first")
LONG_BIAS_SUM = plain(4, 16, 16, 2, kernel_size=1, dtype="bfloat16")
BIAS_OF_NONE = next(case for case in layer_cases() if '"bias_initializer":null' in case.arguments)
CONSTANT = next(case for case in layer_cases() if '"depthwise_initializer":"constant"' in case.arguments)
BOTH_BY_NAME = next(case for case in layer_cases() if '"depthwise_regularizer":"l1_l2"' in case.arguments)
MANY_DRAWS = next(case for case in layer_cases() if case.input_shape[3] == 1024)
HALF_STRIDES = next(case for case in OUTSIDE if '"strides":[1,1.5]' in case.arguments)
GLU = next(case for case in layer_cases() if '"activation":"glu"' in case.arguments)
FINDINGS: tuple[tuple[str, AnyCase, str, Verdict], ...] = (
    *((name, STRIDED_DILATION, "errors", Verdict.ERROR_MISSING) for name in KERAS),
    ("keras-tensorflow", BIAS_ALONG_WIDTH, "output", Verdict.WRONG_VALUE),
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
    *((name, BIAS_OF_NONE, "initializers", Verdict.WRONG_VALUE) for name in KERAS),
    *((name, CONSTANT, "initializers", Verdict.REFUSED) for name in KERAS),
    *((name, BOTH_BY_NAME, "regularizers", Verdict.REFUSED) for name in KERAS),
    *((name, GLU, "shape_inference", Verdict.WRONG_SHAPE) for name in KERAS),
    *((name, plain(1, 3, 4, 5, activation="sparsemax"), "output", Verdict.WRONG_VALUE) for name in KERAS),
    ("keras-torch", MANY_DRAWS, "initializers", Verdict.WRONG_VALUE),
    ("keras-tensorflow", HALF_STRIDES, "errors", Verdict.ERROR_MISSING),
    (
        "keras-tensorflow",
        plain(2, 5, 6, 3, activation="celu", recipe="integers"),
        "gradient_kernel",
        Verdict.WRONG_VALUE,
    ),
    ("keras-tensorflow", plain(1, 3, 3, 2, activation="leaky_relu", dtype="float64"), "output", Verdict.WRONG_VALUE),
)


@pytest.mark.parametrize(
    ("name", "case", "check", "verdict"), FINDINGS, ids=lambda value: str(getattr(value, "id", value))
)
def test_what_was_found_by_hand_is_found(
    name: str, case: AnyCase, check: str, verdict: Verdict, targets: dict[str, Target], examiner: Examiner
) -> None:
    judgement = examiner.judge(targets[name], case, check)
    assert judgement is not None
    assert judgement.verdict is verdict, judgement.detail


LAYERS = [case for case in layer_cases() if not case.home]


@pytest.mark.parametrize("name", [name for name in KERAS if name in INSTALLED])
def test_layers_do_what_the_page_says_but_for_what_was_found(name: str, targets: dict[str, Target]) -> None:
    """All of them on torch, which is quick to construct; one in seven on the others."""
    found = {case.id for known, case, *_ in FINDINGS if known == name}
    chosen = [case for case in LAYERS if name == "keras-torch" or int(case.id, 16) % 7 == 0]
    sound = [case for case in chosen if case.id not in found and not _is_known(case)]
    assert len(sound) > 20
    for case, judgement in judge_layers(targets[name].worker, targets[name].declared, sound):
        assert judgement.verdict is Verdict.PASS, (case, judgement)


def _is_known(case: LayerCase) -> bool:
    """Findings that more than one case shows."""
    names = ('"constant"', '"l1_l2"', '"glu"', "float64", "ormal", "ariance")  # those that draw truncated normals
    return any(name in case.arguments for name in names)
