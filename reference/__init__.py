"""The semantics of `keras.layers.DepthwiseConv2D`: what it computes, and how accurately it can be computed."""

from depthwise_conformance.reference.bounds import Bounded, Evaluation, Gradients
from depthwise_conformance.reference.config import LayerConfig
from depthwise_conformance.reference.floats import (
    FLUSHED,
    FORMATS,
    Arithmetic,
    arithmetics,
    expected_arithmetic,
    in_format,
    narrower_arithmetics,
)
from depthwise_conformance.reference.geometry import kernel_shape, output_shape, split_shape
from depthwise_conformance.reference.layer import DepthwiseConv2D
from depthwise_conformance.reference.special import SpecialOutput, special_output

__all__ = [
    "FLUSHED",
    "FORMATS",
    "Arithmetic",
    "Bounded",
    "DepthwiseConv2D",
    "Evaluation",
    "Gradients",
    "LayerConfig",
    "SpecialOutput",
    "arithmetics",
    "expected_arithmetic",
    "in_format",
    "kernel_shape",
    "narrower_arithmetics",
    "output_shape",
    "special_output",
    "split_shape",
]
