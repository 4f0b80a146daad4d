"""What a wrong result computes instead: the evaluator, the library of deviations, and the search in it."""

from __future__ import annotations

import collections
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults import FAULTS, LETHAL, BiasMissing, Fault, KernelFlipped
from honest import Honest
from showing import RARE, SHOWING

from depthwise_conformance.adapters.base import Adapter, AnyArray
from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.diagnosis.deviations.library import BY_NAME, DEVIATIONS
from depthwise_conformance.diagnosis.explaining import PAIRS as COUPLES
from depthwise_conformance.diagnosis.explaining import Explanation, Sample, deviates, explain, reproduces, separates
from depthwise_conformance.diagnosis.predicting import predict
from depthwise_conformance.diagnosis.program import PARTS, honest
from depthwise_conformance.diagnosis.seen import BEYOND, ROUNDINGS, SEEN, SPECIAL_CAUSES, STALE_CAUSES
from depthwise_conformance.judging.values import Expectation, expect, judge_values
from depthwise_conformance.reference import LayerConfig
from depthwise_conformance.reports.record import Verdict
from depthwise_conformance.running.drawing import draw_block

PAGE = Path(__file__).parents[2] / "docs" / "deviations.md"
WRONG = (Verdict.WRONG_VALUE, Verdict.WRONG_SHAPE, Verdict.IMPRECISE)
TELLING, LARGE = 12, 4000  # elements of the output: smaller ones tell little, larger ones no more
ENOUGH = 8  # samples that fail, and that pass
RECIPES = ("integers", "uniform", "wide", "impulses", "cancellation")
DIAGNOSED = ("output", "shape", "gradient_input", "gradient_kernel", "gradient_bias")
JUDGED = [fault for fault in FAULTS if fault.check in DIAGNOSED and fault not in LETHAL]
# What it computes is not always the same deviation; on some cases, one is all that it computes.
AT_TIMES: dict[str, tuple[str, ...]] = {
    "SamePaddingNegative": ("same padding below zero", "one position late"),
    "DilationIgnoredForTwoTaps": ("dilation",),
    "PlanCachedWithoutDilation": ("dilation",),
    "KernelLargerThanInputLosesTaps": ("last row of taps lost", "sums: all zero"),
    "Float16ProductsOfManyChannels": ("float16 weights", "TF32 weights", "float16 inputs", "TF32 inputs"),
}


def made(arguments: dict[str, Any], shape: tuple[int, int, int, int], seed: int = 0, recipe: str = "integers") -> Case:
    return Case(LayerConfig.from_json(arguments), shape, Data(recipe, seed))


def parts_of(expectation: Expectation) -> tuple[str, ...]:
    return PARTS if expectation.arrays.bias is not None else PARTS[:3]


@functools.lru_cache
def drawn() -> tuple[Expectation, ...]:
    """Drawn cases of a size that tells much in little time, the smallest first."""
    found = [expect(case) for case in draw_block(3, 200) if case.data.recipe in RECIPES]
    found = [e for e in found if TELLING <= e.arrays.cotangent.size <= LARGE and e.arrays.x.size <= LARGE]
    return tuple(sorted(found, key=lambda e: e.arrays.cotangent.size))


def rare(fault: type[Adapter]) -> Iterable[Expectation]:
    if fault.__name__ in RARE:
        yield from (expect(made(*RARE[fault.__name__], seed, r)) for seed in range(6) for r in ("integers", "uniform"))


def computed(adapter: Adapter, expectation: Expectation, part: str) -> Any:
    a = expectation.arrays
    arguments = [a.x.copy(), a.kernel.copy(), None if a.bias is None else a.bias.copy()]
    config = expectation.case.config
    if part == "output":
        return adapter.forward(config, *arguments)
    return getattr(adapter.gradients(config, *arguments, a.cotangent.copy()), part)


def samples(fault: type[Adapter], part: str, among: Iterable[Expectation]) -> list[Sample]:
    """What a fault returned, until enough of it fails and enough passes."""
    adapter = fault()
    found: dict[bool, list[Sample]] = {True: [], False: []}
    for expectation in among:
        if min(map(len, found.values())) >= ENOUGH:
            break
        if part not in parts_of(expectation):
            continue
        try:
            observed = computed(adapter, expectation, part)
        except Exception:  # which other checks are for
            continue
        if isinstance(observed, np.ndarray):
            wrong = judge_values(observed, expectation, part).verdict in WRONG
            arguments = expectation.case.config, expectation.arrays, part, observed
            found[wrong].append(Sample(*arguments, wrong, expectation.part(part)))
    return found[True][:ENOUGH] + found[False][:ENOUGH]


def explained(fault: type[Adapter], pairs: int = COUPLES) -> Explanation | None:
    part = fault.check.removeprefix("gradient_") if fault.check.startswith("gradient") else "output"
    shown = samples(fault, part, [*rare(fault), *drawn()])
    if part != "output":  # which is right
        shown += [s for s in samples(fault, "output", drawn()[:20]) if not s.failing]
    return explain(shown, pairs)


def names(explanation: Explanation | None) -> list[str]:
    return [cause.text for cause in explanation.causes] if explanation else []


# The evaluator.


def test_the_evaluator_without_deviations_is_the_reference() -> None:
    for expectation in [*drawn(), *(expect(made(*shown)) for shown in SHOWING)]:
        program = honest(expectation.case.config, expectation.case.input_shape)
        for part in parts_of(expectation):
            expected = expectation.part(part)
            found = predict(program, expectation.arrays, part, expectation.case.dtype)
            assert found is not None and found.value.shape == expected.value.shape
            finite = np.isfinite(expected.bound) & np.isfinite(found.bound)
            np.testing.assert_allclose(found.value[finite], expected.value[finite], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("border", ["edge", "reflect", "symmetric", "wrap"])
def test_borders_are_read_as_numpy_pads_them(border: str) -> None:
    case = made({"kernel_size": [5, 4], "padding": "same", "use_bias": False}, (2, 6, 5, 2))
    padded = np.pad(expect(case).arrays.x, ((0, 0), (2, 2), (1, 2), (0, 0)), mode=border)  # type: ignore[call-overload]
    valid = LayerConfig((5, 4), use_bias=False)
    observed = Honest().forward(valid, padded, expect(case).arrays.kernel, None)
    assert reproduces(f"{border} padding", sample_of(case, observed))


def sample_of(case: Case, observed: np.ndarray[Any, Any], part: str = "output", failing: bool = True) -> Sample:
    expectation = expect(case)
    return Sample(case.config, expectation.arrays, part, observed, failing, expectation.part(part))


# The library.


def test_names_are_unique() -> None:
    assert [name for name, count in collections.Counter(d.name for d in DEVIATIONS).items() if count > 1] == []
    assert [name for name in BY_NAME if " + " in name] == []  # which joins the names of two


def test_every_deviation_changes_a_case() -> None:
    left = dict(BY_NAME)
    for expectation in [*drawn(), *(expect(made(*shown)) for shown in SHOWING)]:
        program = honest(expectation.case.config, expectation.case.input_shape)
        for deviation in list(left.values()):
            changed = deviation.change(program)
            parts = [part for part in deviation.parts if part in parts_of(expectation)]
            if changed is not None and any(differs(changed, expectation, part) for part in parts):
                del left[deviation.name]
    assert list(left) == []


def differs(program: Any, expectation: Expectation, part: str) -> bool:
    found, expected = predict(program, expectation.arrays, part, expectation.case.dtype), expectation.part(part)
    if found is None or found.value.shape != expected.value.shape:
        return found is not None
    with np.errstate(invalid="ignore"):
        return bool((np.abs(found.value - expected.value) > expected.bound + found.bound).any())


def test_a_deviation_changes_no_part_but_those_it_names() -> None:
    for expectation in drawn()[:12]:
        program = honest(expectation.case.config, expectation.case.input_shape)
        for deviation in DEVIATIONS:
            changed = deviation.change(program)
            for part in parts_of(expectation):
                if changed is not None and part not in deviation.parts:
                    assert not differs(changed, expectation, part), (deviation.name, part)


def page() -> str:
    """The documentation of the library."""
    lines = [
        "# What a wrong result may be",
        "",
        "What a wrong result is compared with, by the names that reports use. A deviation is named where it gives",
        "every wrong result of a target, within rounding, or all that a condition selects; two of different kinds may",
        "be named together. What changes the forward pass changes the gradients with it, as where they are taken by",
        "differentiation. Under 'alone in' are the gradients in which the same may be wrong by itself; that is told as",
        "'kernel flipped (input gradient)', for example.",
        "",
        "Some causes are not computed, but seen:",
        "",
        "- " + quoted(STALE_CAUSES.values()) + ":",
        "  right for the first arguments, then wrong when one of them changes, where a fresh process is right.",
        "- " + quoted(ROUNDINGS) + ":",
        "  every result of layers without an activation is on that side of the exact one.",
        "- `subnormals taken for zero`: those of the arguments, of the result, or both.",
        *(f"- `{cause}`, in every wrong result of special values." for cause in SPECIAL_CAUSES),
        f"- `{BEYOND}`: few of those that a truncated normal initializer draws, whose distribution is right otherwise.",
        "",
        "Narrow accumulators are told by the signature of `imprecise`, as what explains the errors: many faults are as",
        "small.",
    ]
    alone = {d.name: alone_in(d.name) for d in DEVIATIONS}
    kind = ""
    for deviation in sorted(DEVIATIONS, key=lambda d: list(KINDS).index(d.kind)):
        if alone[deviation.name]:
            continue
        if deviation.kind != kind:
            kind = deviation.kind
            lines += ["", f"## {KINDS[kind]}", "", "| name | what it computes | alone in |", "|---|---|---|"]
        parts = [part for part in PARTS[1:] if f"{deviation.name} ({part} gradient)" in BY_NAME]
        lines.append(f"| {deviation.name} | {deviation.sentence} | {', '.join(parts)} |")
    return "\n".join(lines) + "\n"


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def alone_in(name: str) -> bool:
    return any(name.endswith(f" ({part} gradient)") for part in PARTS[1:])


KINDS = {
    "argument": "Dilation",
    "size": "Strides and sizes of the output",
    "windows": "Where windows read",
    "shift": "Windows displaced",
    "loop": "What loops leave out or keep",
    "padding": "Padding",
    "start": "Padding by a neighbouring formula",
    "border": "What lies beyond the border",
    "kernel": "The kernel",
    "input": "The input",
    "accuracy": "What is multiplied",
    "sums": "The sums",
    "order": "The order of the output channels",
    "place": "Places in the output",
    "bias": "The bias",
    "activation": "The activation",
    "derivative": "The derivative of the activation",
    "cotangent": "The cotangent",
    "input gradient": "The gradient of the input",
    "kernel gradient": "The gradient of the kernel",
    "bias gradient": "The gradient of the bias",
    "returned": "The shape of what is returned",
}


def test_the_documentation_lists_the_library() -> None:
    assert PAGE.read_text() == page(), "python tests/diagnosis/test_deviations.py writes it anew"


# The search.


def test_causes_are_names_of_the_library() -> None:
    named = {fault.cause for fault in FAULTS if issubclass(fault, Fault)}
    assert named - {""} <= {*BY_NAME, *SEEN}
    assert not set(BY_NAME) & set(SEEN)


@pytest.mark.parametrize("fault", [f for f in JUDGED if f.cause in BY_NAME], ids=lambda fault: fault.name)
def test_the_cause_of_a_fault_is_found(fault: type[Fault]) -> None:
    assert fault.cause in names(explained(fault))


@pytest.mark.parametrize("fault", [f for f in JUDGED if f.cause not in BY_NAME], ids=lambda fault: fault.name)
def test_what_no_deviation_describes_is_not_explained(fault: type[Fault]) -> None:
    found = names(explained(fault, pairs=300))
    assert [name for name in found if not name.startswith(AT_TIMES.get(fault.__name__, ()))] == []


@pytest.mark.parametrize("fault", [f for f in JUDGED if f.check == "output"][::20], ids=lambda fault: fault.name)
def test_a_cause_found_in_a_gradient_is_not_a_wrong_one(fault: type[Fault]) -> None:
    """A fault of the forward pass may show in a gradient: by its own cause, or by what is the same there."""
    found = explain(samples(fault, "input", drawn()))
    assert not names(found) or fault.cause in names(found)


class KernelFlippedWithoutBias(KernelFlipped, BiasMissing):
    """Two faults at once."""


def test_two_deviations_together_are_found() -> None:
    found = explain(samples(KernelFlippedWithoutBias, "output", (e for e in drawn() if e.case.config.use_bias)))
    assert names(found) == ["kernel flipped + bias missing"]


def test_honest_results_need_no_explanation() -> None:
    assert explain(samples(Honest, "output", drawn())) is None


def test_a_passing_sample_that_would_have_changed_contradicts() -> None:
    wrong, right = made({"kernel_size": 3}, (1, 6, 6, 2)), made({"kernel_size": 3}, (1, 6, 6, 2), 1)
    arrays = expect(right).arrays
    passing = Honest().forward(right.config, arrays.x, arrays.kernel, arrays.bias)
    failing = computed(KernelFlipped(), expect(wrong), "output")
    found = explain([sample_of(wrong, failing), sample_of(right, passing, failing=False)])
    assert found is not None
    assert [(c.text, c.explains, c.contradicts) for c in found.causes] == [("kernel flipped", (0,), (1,))]


def test_some_of_the_failing_samples_may_have_a_cause() -> None:
    cases = [made({"kernel_size": 3}, (1, 6, 6, 2), seed) for seed in range(5)]
    observed = [computed(KernelFlipped(), expect(case), "output") for case in cases]
    observed[4] = observed[4] + np.float32(1.5)
    found = explain([sample_of(case, array) for case, array in zip(cases, observed, strict=True)])
    assert found is not None and not found.causes
    assert [(cause.text, cause.explains) for cause in found.partial] == [("kernel flipped", (0, 1, 2, 3))]


def test_one_number_explains_nothing() -> None:
    case = made({"kernel_size": 3}, (1, 3, 3, 1))
    observed = computed(KernelFlipped(), expect(case), "output")
    assert reproduces("kernel flipped", sample_of(case, observed))
    assert explain([sample_of(case, observed)]) is None


def test_zeros_are_explained_by_nothing_but_zeros() -> None:
    cases = [made({"kernel_size": 2, "activation": "relu"}, (1, 3, 3, 2), seed) for seed in range(4)]
    found = explain([sample_of(case, np.zeros_like(expect(case).arrays.cotangent)) for case in cases])
    assert found is not None and all("zero" in name for name in names(found))


def test_numbers_that_are_not_finite_are_left_out() -> None:
    case = made({"kernel_size": 3}, (1, 6, 6, 2))
    sample = sample_of(case, computed(KernelFlipped(), expect(case), "output"))
    sample.arrays.x[0, 0, 0, 0] = np.inf
    assert explain([sample]) is None


def test_no_more_pairs_are_tried_than_may_be() -> None:
    class Both(KernelFlipped):
        def forward(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> AnyArray:
            return super().forward(config, x, kernel, None)

    cases = [e.case for e in drawn() if e.case.config.use_bias and e.case.config.activation is None]
    shown = [sample_of(case, computed(Both(), expect(case), "output")) for case in cases[:ENOUGH]]
    assert "bias missing + kernel flipped" in {" + ".join(sorted(c.names)) for c in explain(shown).causes}
    assert explain(shown, pairs=0) is None


def test_cases_tell_deviations_apart() -> None:
    both = "kernel flipped", "kernel flipped along the height"
    assert separates(*both, made({"kernel_size": [3, 2]}, (1, 6, 6, 2)))
    assert not separates(*both, made({"kernel_size": [3, 1]}, (1, 6, 6, 2)))


def test_a_deviation_may_change_nothing() -> None:
    assert deviates("bias missing", made({"kernel_size": 2}, (1, 4, 4, 2)))
    assert not deviates("bias missing", made({"kernel_size": 2, "use_bias": False}, (1, 4, 4, 2)))
    assert not deviates("kernel flipped", made({"kernel_size": 2}, (1, 4, 4, 2)), "bias")
    assert deviates("kernel flipped + bias missing", made({"kernel_size": 2}, (1, 4, 4, 2)))


if __name__ == "__main__":
    PAGE.write_text(page())
