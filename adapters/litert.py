"""`litert`: a function of TensorFlow, converted to a TFLite model, run by LiteRT."""

from __future__ import annotations

from typing import Any, ClassVar

from depthwise_conformance.adapters.base import AnyArray, Description
from depthwise_conformance.adapters.exported import FORWARD, RESOLVERS, TFLITE, Call, Exported, tflite_call
from depthwise_conformance.adapters.tensorflow_nn import STRIDED_DILATION, TensorFlowNN
from depthwise_conformance.adapters.translate import versions
from depthwise_conformance.reference.config import LayerConfig

AT_MOST = 4832  # numbers that the buffer of LiteRT's own kernel holds


class LiteRt(Exported, TensorFlowNN):
    """`tf.nn.depthwise_conv2d` with constant weights by `tf.lite.TFLiteConverter`, run by `ai_edge_litert`.

    XNNPACK computes by default; the mode `builtin` takes LiteRT's own kernels, `reference` its plain ones.
    """

    name: ClassVar[str] = "litert"
    modes: ClassVar[tuple[str, ...]] = tuple(RESOLVERS)
    claims: ClassVar[str] = f'{TFLITE} and data_format == "channels_last"'

    def describe(self) -> Description:
        """Only float32 is converted, and only NHWC."""
        limits = {
            "other dtypes than float32": "TensorFlow's converter takes no others without quantising",
            "channels_first": "TFLite's operators are NHWC",
            "an empty batch": "LiteRT refuses tensors without elements",
            "strides with dilation": STRIDED_DILATION,
            "gradients": FORWARD,
        }
        claims = self.claims
        if self.mode == "builtin":
            limits[f"more than {AT_MOST} output channels"] = "LiteRT's own kernel never ends (docs/findings.md)"
            claims = f"{claims} and output_channels <= {AT_MOST}"
        found = versions("ai-edge-litert", "tensorflow", "tensorflow-cpu")
        return Description(found, dtypes=("float32",), unsupported=limits, claims=claims)

    def export(self, config: LayerConfig, x: AnyArray, kernel: AnyArray, bias: AnyArray | None) -> Call:
        """By the converter."""
        tf = self._tf
        weights = self._to_tensors(kernel, bias)

        def layer(x: Any) -> Any:
            return self._apply(config, x, *weights)

        function = tf.function(layer, autograph=False)
        traced = function.get_concrete_function(tf.TensorSpec(x.shape, config.dtype))
        return tflite_call(tf.lite.TFLiteConverter.from_concrete_functions([traced], function).convert(), self.mode)
