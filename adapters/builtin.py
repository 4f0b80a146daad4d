"""The adapters that come with the package, by target name. Importing this imports none of them.

A mode that has an adapter of its own, or needs other packages, stands here as `name:mode`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

ROOM = "depthwise_conformance.adapters"


class Builtin(NamedTuple):
    """Where an adapter's class is (`module:Class`), the packages without which it cannot start, what installs them.

    `packages` are names that Python imports, `requirements` what pip installs for them (the packages themselves, where
    none are given). A target in JavaScript has the program of its worker, `tfjs.mjs`, in the place of the class.
    """

    entry_point: str
    packages: tuple[str, ...]
    requirements: tuple[str, ...] = ()

    @property
    def script(self) -> str:
        """The worker's program, of the folder `javascript`; "" where a class is the adapter."""
        return self.entry_point if self.entry_point.endswith(".mjs") else ""

    @property
    def installing(self) -> str:
        """The command that installs what it needs."""
        if self.script:
            return "install Node.js, with npm"
        return f"pip install {shlex.join(self.requirements or self.packages)}"


BUILTIN: Mapping[str, Builtin] = MappingProxyType(
    {
        "keras-tensorflow": Builtin(f"{ROOM}.keras_layer:KerasTensorFlow", ("keras", "tensorflow")),
        "keras-torch": Builtin(f"{ROOM}.keras_layer:KerasTorch", ("keras", "torch")),
        "keras-jax": Builtin(f"{ROOM}.keras_layer:KerasJax", ("keras", "jax")),
        "tensorflow": Builtin(f"{ROOM}.tensorflow_nn:TensorFlowNN", ("tensorflow",)),
        "torch": Builtin(f"{ROOM}.torch_conv2d:TorchConv2d", ("torch",)),
        "jax": Builtin(f"{ROOM}.jax_lax:JaxLax", ("jax",)),
        "onnxruntime": Builtin(f"{ROOM}.onnx_runtime:OnnxRuntime", ("onnx", "onnxruntime")),
        "mlx": Builtin(f"{ROOM}.mlx_conv:MlxConv", ("mlx",), ("mlx[cpu]",)),
        "keras-openvino": Builtin(f"{ROOM}.keras_inferring:KerasOpenVino", ("keras", "openvino")),
        "keras-numpy": Builtin(f"{ROOM}.keras_inferring:KerasNumPy", ("keras", "jax")),
        "tf_keras": Builtin(f"{ROOM}.tf_keras_layer:TfKeras", ("tf_keras", "tensorflow")),
        "openvino": Builtin(f"{ROOM}.onnx_engines:OpenVino", ("onnx", "openvino")),
        "tract": Builtin(f"{ROOM}.onnx_engines:Tract", ("onnx", "tract")),
        "opencv": Builtin(f"{ROOM}.onnx_engines:OpenCv", ("onnx", "cv2"), ("onnx", "opencv-python-headless")),
        "torch:compile": Builtin(f"{ROOM}.torch_compiled:TorchCompiled", ("torch",)),
        "torch:export": Builtin(f"{ROOM}.torch_compiled:TorchExported", ("torch",)),
        "keras-tensorflow:compiled": Builtin(f"{ROOM}.keras_compiled:CompiledTensorFlow", ("keras", "tensorflow")),
        "keras-torch:compiled": Builtin(f"{ROOM}.keras_compiled:CompiledTorch", ("keras", "torch")),
        "keras-jax:compiled": Builtin(f"{ROOM}.keras_compiled:CompiledJax", ("keras", "jax")),
        **{
            f"keras-{name}:mixed_{dtype}": Builtin(f"{ROOM}.keras_mixed:{kind}", ("keras", name))
            for name, kind in (("tensorflow", "MixedTensorFlow"), ("torch", "MixedTorch"), ("jax", "MixedJax"))
            for dtype in ("bfloat16", "float16")
        },
        "onnx-reference": Builtin(f"{ROOM}.onnx_reference:OnnxReference", ("onnx",)),
        **dict.fromkeys(
            ("torch:onnx", "torch:onnx_dynamic"),
            Builtin(f"{ROOM}.torch_onnx:TorchOnnx", ("torch", "onnxscript", "onnxruntime")),
        ),
        **dict.fromkeys(
            ("keras-tensorflow:onnx", "keras-tensorflow:onnx_dynamic"),
            Builtin(f"{ROOM}.keras_exported:TensorFlowOnnx", ("keras", "tensorflow", "tf2onnx", "onnxruntime")),
        ),
        **dict.fromkeys(
            ("keras-torch:onnx", "keras-torch:onnx_dynamic"),
            Builtin(f"{ROOM}.keras_exported:TorchOnnx", ("keras", "torch", "onnx", "onnxruntime")),
        ),
        "litert": Builtin(f"{ROOM}.litert:LiteRt", ("tensorflow", "ai_edge_litert"), ("tensorflow", "ai-edge-litert")),
        **dict.fromkeys(
            ("keras-tensorflow:litert", "keras-tensorflow:litert_dynamic"),
            Builtin(
                f"{ROOM}.keras_exported:TensorFlowLiteRt",
                ("keras", "tensorflow", "ai_edge_litert"),
                ("keras", "tensorflow", "ai-edge-litert"),
            ),
        ),
        "keras-tensorflow:saved_model": Builtin(f"{ROOM}.keras_exported:TensorFlowSavedModel", ("keras", "tensorflow")),
        "paddle": Builtin(f"{ROOM}.paddle_conv2d:PaddleConv2d", ("paddle",), ("paddlepaddle", "setuptools")),
        "tfjs": Builtin("tfjs.mjs", ()),
        "tfjs-layer": Builtin("tfjs-layer.mjs", ()),
        "onnxruntime-web": Builtin("onnxruntime-web.mjs", ()),
    }
)

# What a run judges where nobody says what, as far as it is installed
DEFAULT: tuple[str, ...] = (
    *("keras-tensorflow", "keras-torch", "keras-jax"),
    *("tensorflow", "torch", "jax", "onnxruntime"),
)

# Targets that are asked for by one name, each spelled `name[:mode]`: `--target compiled`; "all" is every one of them
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "default": DEFAULT,
        "compiled": (
            *("tensorflow:function", "tensorflow:xla"),
            *("torch:compile", "torch:export", "torch:mkldnn_off"),
            *("jax:jit", "keras-tensorflow:compiled", "keras-torch:compiled", "keras-jax:compiled"),
            *("keras-tensorflow:mixed_bfloat16", "keras-torch:mixed_bfloat16", "keras-jax:mixed_bfloat16"),
            *("keras-tensorflow:mixed_float16", "keras-torch:mixed_float16", "keras-jax:mixed_float16"),
        ),
        "exported": (
            *("onnxruntime:no_optimization", "onnxruntime:extended", "onnxruntime:auto_pad", "onnx-reference"),
            *("torch:onnx", "torch:onnx_dynamic", "keras-tensorflow:onnx", "keras-tensorflow:onnx_dynamic"),
            *("keras-torch:onnx", "keras-torch:onnx_dynamic", "keras-tensorflow:saved_model"),
        ),
        "mobile": (
            *("litert", "litert:builtin", "litert:reference"),
            *("keras-tensorflow:litert", "keras-tensorflow:litert_dynamic"),
        ),
        "browser": ("tfjs", "tfjs:wasm", "tfjs-layer", "tfjs-layer:wasm", "onnxruntime-web"),
        "libraries": (
            "openvino",
            "openvino:f32",
            "tract",
            "opencv",
            "mlx",
            "keras-openvino",
            "keras-numpy",
            "tf_keras",
            "paddle",
        ),
    }
)
