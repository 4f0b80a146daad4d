"""All deviations, in the order in which causes are looked for."""

from __future__ import annotations

from depthwise_conformance.diagnosis.deviations.accuracy import accuracy_deviations
from depthwise_conformance.diagnosis.deviations.activations import activation_deviations
from depthwise_conformance.diagnosis.deviations.biases import bias_deviations
from depthwise_conformance.diagnosis.deviations.deviation import Deviation
from depthwise_conformance.diagnosis.deviations.gradients import gradient_deviations
from depthwise_conformance.diagnosis.deviations.kernels import kernel_deviations
from depthwise_conformance.diagnosis.deviations.layouts import layout_deviations
from depthwise_conformance.diagnosis.deviations.loops import loop_deviations
from depthwise_conformance.diagnosis.deviations.places import place_deviations
from depthwise_conformance.diagnosis.deviations.returned import returned_deviations
from depthwise_conformance.diagnosis.deviations.starts import start_deviations
from depthwise_conformance.diagnosis.deviations.windows import window_deviations

DEVIATIONS: tuple[Deviation, ...] = (
    *window_deviations(),
    *start_deviations(),
    *loop_deviations(),
    *layout_deviations(),
    *kernel_deviations(),
    *accuracy_deviations(),
    *place_deviations(),
    *bias_deviations(),
    *activation_deviations(),
    *gradient_deviations(),
    *returned_deviations(),
)
BY_NAME = {deviation.name: deviation for deviation in DEVIATIONS}
