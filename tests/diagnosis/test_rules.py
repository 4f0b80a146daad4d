"""What all failing cases have: borne out by cases of all of them, whatever each is otherwise."""

from dataclasses import replace

from depthwise_conformance.casebook.case import Case, Data
from depthwise_conformance.casebook.facts import facts
from depthwise_conformance.diagnosis.rules import Known, Limit, find_need
from depthwise_conformance.reference import LayerConfig

HALF = LayerConfig((2, 3), dtype="float16")
EMPTY = [Case(replace(HALF, kernel_size=(2, width)), (0, 4, 5, 3), Data("uniform")) for width in range(1, 6)]
SINGLE = [replace(case, config=replace(case.config, dtype="float32")) for case in EMPTY]


def test_what_many_cases_leave_open_is_asked_of_others():
    images = [replace(case, input_shape=(1, *case.input_shape[1:])) for case in (*EMPTY, *SINGLE)]
    known = Known([*EMPTY, *SINGLE], [*images, *(replace(case, data=Data("normal")) for case in images)], [], Limit())
    need = find_need(known, lambda case: None if case.dtype == "float16" else facts(case)["batch"] == 0)
    assert str(need) == "batch == 0"
