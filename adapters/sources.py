"""What a user types to call each built-in target: lines of Python for NumPy and that software alone.

The lines find NumPy arrays of float64, `x`, `kernel`, `bias` (where there is one) and `cotangent`, laid out as an
adapter gets them. Nothing is imported here, and nothing of this package is imported there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from depthwise_conformance.adapters.base import LAYOUTS, Unsupported
from depthwise_conformance.adapters.onnx_builder import ELEMENT_TYPES, IR_VERSION, OPERATORS, OPSET
from depthwise_conformance.adapters.translate import explicit_pads, spatial_sizes
from depthwise_conformance.reference.config import LayerConfig

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Source:
    """Lines that leave a layer's output in `y`, and others that leave its gradients in `found`, none where it has none.

    `found` maps "input", "kernel" and "bias" to tensors. `infers` is an expression of the shape inferred for `given`, a
    shape in which None is unknown; `to_numpy` makes an array of the tensor `{}`, and `versions` names and versions.
    """

    imports: tuple[str, ...]
    output: tuple[str, ...]
    to_numpy: str
    versions: str
    gradients: tuple[str, ...] = ()
    infers: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def source(target: str, config: LayerConfig, input_shape: Shape, layout: str = "") -> Source:
    """The lines for a target by its name without the device, such as "keras-torch" or "jax:x64".

    With a `layout`, one of `LAYOUTS`, arrays lie so in memory. Raises Unsupported for a target, a layer or a layout of
    which no lines are known.
    """
    name, _, mode = target.partition(":")
    if name not in SOURCES or mode not in ("", "x64"):
        raise Unsupported(f"no lines are known that call {target}")
    if layout and (layout not in LAYOUTS or (name == "torch" and layout not in LAID)):
        raise Unsupported(f"no lines are known that call {target} with arrays that are {layout}")
    if layout and name == "torch":
        return _torch(config, input_shape, layout)
    found = SOURCES[name](config, input_shape)
    found = _passing_on(found, config, layout) if layout else found
    return replace(found, environment={**found.environment, "JAX_ENABLE_X64": "1"}) if mode else found


def _passing_on(found: Source, config: LayerConfig, layout: str) -> Source:
    """The lines for NumPy arrays that lie otherwise in memory, as `workers.layouts` makes them."""
    packed = f't = np.asarray(t).astype("{config.dtype}")'
    made = ("def laid(name, t):", f"    {packed}", *(f"    {line}" for line in _laid_in_numpy(layout, config)))
    arrays = ("x", *_weights(config))
    both = (*made, f"{', '.join(arrays)} = " + ", ".join(f'laid("{name}", {name})' for name in arrays))
    gradients = (*both, 'cotangent = laid("y", cotangent)', *found.gradients) if found.gradients else ()
    return replace(found, output=(*both, *found.output), gradients=gradients)


def _laid_in_numpy(layout: str, config: LayerConfig) -> tuple[str, ...]:
    if layout == "reversed":
        return ("return np.flip(np.flip(t).copy())",)
    if layout == "new_axes":
        strides = "[0 if n == 1 else s for n, s in zip(t.shape, t.strides)]"
        return (f"return np.lib.stride_tricks.as_strided(t, strides={strides})",)
    if layout == "transposed":
        images = (0, 3, 1, 2) if config.channels_last else (0, 2, 3, 1)
        order = f'order = (2, 3, 0, 1) if name == "kernel" else {images}'
        return (order, "return t if t.ndim == 1 else t.transpose(order).copy().transpose(np.argsort(order))")
    sizes, where = LAID[layout]
    return (
        f"view = np.full({sizes}, np.nan, t.dtype)[tuple({where} for n in t.shape)]",
        "view[...] = t",
        "return view",
    )


def keras_call(arguments: Mapping[str, Any], positional: Sequence[Any] = ()) -> str:
    """`keras.layers.DepthwiseConv2D(...)`, with arguments that are already written as Python."""
    words = [*positional, *(f"{name}={value}" for name, value in arguments.items())]
    return f"keras.layers.DepthwiseConv2D({', '.join(map(str, words))})"


def keras_imports(backend: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """The imports, and what they find in the environment."""
    return ("import keras", "import numpy as np", *_import_of(backend)), {"KERAS_BACKEND": backend}


def keras_versions(backend: str) -> str:
    """Keras's version and the backend's."""
    module = {"tensorflow": "tf"}.get(backend, backend)
    return f'"keras", keras.__version__, "{backend}", {module}.__version__'


def _import_of(backend: str) -> tuple[str, ...]:
    return ("import tensorflow as tf",) if backend == "tensorflow" else (f"import {backend}",)


def _keras(config: LayerConfig, backend: str) -> Source:
    arguments = {name: tuple(v) if isinstance(v, list) else v for name, v in config.to_json().items()}
    arguments = {"data_format": config.data_format, "dtype": config.dtype, **arguments}
    arguments.pop("strided_dilation", None)
    imports, environment = keras_imports(backend)
    wide = "float64" if config.dtype == "float64" else "float32"
    made = (
        f"layer = {keras_call({name: repr(value) for name, value in arguments.items()})}",
        "layer.build(x.shape)",
        f"layer.set_weights([{', '.join(_weights(config))}])",
        f'x = keras.ops.convert_to_tensor(x, "{config.dtype}")',
    )
    return Source(
        imports=imports,
        environment=environment,
        output=(*made, "y = layer(x)"),
        gradients=(
            *made,
            f'cotangent = keras.ops.convert_to_tensor(cotangent, "{config.dtype}")',
            *KERAS_GRADIENTS[backend],
            _named(config),
        ),
        infers="layer(keras.Input(batch_shape=given, dtype=layer.dtype)).shape",
        to_numpy=f'keras.ops.convert_to_numpy(keras.ops.cast({{}}, "{wide}"))',
        versions=keras_versions(backend),
    )


KERAS_GRADIENTS = {
    "tensorflow": (
        "with tf.GradientTape() as tape:",
        "    tape.watch(x)",
        "    y = layer(x)",
        "found = tape.gradient(y, [x, *(w.value for w in layer.trainable_variables)], cotangent)",
    ),
    "torch": (
        "leaves = [x.requires_grad_(), *(w.value for w in layer.trainable_variables)]",
        "found = torch.autograd.grad(layer(x), leaves, cotangent)",
    ),
    "jax": (
        "def gradients(x, weights, cotangent):",
        "    return jax.vjp(lambda x, *w: layer.stateless_call(w, [], x)[0], x, *weights)[1](cotangent)",
        "weights = [w.value for w in layer.trainable_variables]",
        "found = jax.jit(gradients)(x, weights, cotangent)",
    ),
}


def _tensorflow(config: LayerConfig, input_shape: Shape) -> Source:
    layout = "NHWC" if config.channels_last else "NCHW"
    strides = (1, *config.strides, 1) if config.channels_last else (1, 1, *config.strides)
    window = f'{strides}, "{config.padding.upper()}", "{layout}", {config.dilation_rate}'
    lines = [f"y = tf.nn.depthwise_conv2d(x, kernel, {window})"]
    lines += [f'y = tf.nn.bias_add(y, bias, "{layout}")'] if config.use_bias else []
    lines += _activated(config, lambda name: f"tf.nn.{name}(y)")
    wide = "float64" if config.dtype == "float64" else "float32"
    arrays = ("x", *_weights(config))
    made = [f'{name} = tf.constant({name}, "{config.dtype}")' for name in arrays]
    return Source(
        imports=("import numpy as np", "import tensorflow as tf"),
        output=(*made, *lines),
        gradients=(
            *made,
            "with tf.GradientTape() as tape:",
            f"    tape.watch([{', '.join(arrays)}])",
            *(f"    {line}" for line in lines),
            f'found = tape.gradient(y, [{", ".join(arrays)}], tf.constant(cotangent, "{config.dtype}"))',
            _named(config),
        ),
        to_numpy=f'tf.cast({{}}, "{wide}").numpy()',
        versions='"tensorflow", tf.__version__',
    )


LAID = {  # a tensor or an array that lies otherwise in memory
    "sliced": ("[n + 3 for n in t.shape]", "slice(1, n + 1)"),
    "every_second": ("[2 * n + 1 for n in t.shape]", "slice(1, None, 2)"),
    "transposed": ("", ""),
    "new_axes": ("", ""),
}


def _laying(layout: str, channels_last: bool) -> tuple[str, ...]:
    """The definition of `laid`, which gives a tensor as another view of memory, as `LAYOUTS` says."""
    sizes, where = LAID[layout]
    made: tuple[str, ...]
    if sizes:
        made = (
            f'    view = torch.full({sizes}, float("nan"), dtype=t.dtype)[tuple({where} for n in t.shape)]',
            "    return view.copy_(t)",
        )
    elif layout == "new_axes":
        made = ("    return t.as_strided(t.shape, [0 if n == 1 else s for n, s in zip(t.shape, t.stride())])",)
    else:
        there, back = ((0, 3, 1, 2), (0, 2, 3, 1)) if channels_last else ((0, 2, 3, 1), (0, 3, 1, 2))
        made = (
            f'    there, back = {{"kernel": ((2, 3, 0, 1),) * 2}}.get(name, ({there}, {back}))',
            "    return t if t.ndim == 1 else t.permute(there).contiguous().permute(back)",
        )
    return "def laid(name, t):", *made


def _torch(config: LayerConfig, input_shape: Shape, layout: str = "") -> Source:
    (top, bottom), (left, right) = explicit_pads(config, *spatial_sizes(config, input_shape))
    even = (top, left) == (bottom, right)  # conv2d pads both sides alike
    kernel = "kernel.permute(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])"
    bias = "bias" if config.use_bias else "None"
    window = f"{config.strides}, {(top, left) if even else (0, 0)}, {config.dilation_rate}, kernel.shape[2]"
    arrays = ("x", *_weights(config))
    made = [f"{name} = torch.tensor({name}, dtype=torch.{config.dtype})" for name in arrays]
    leaves = [f"{line[:-1]}, requires_grad=True)" for line in made]
    if layout:
        values = {name: line.partition(" = ")[2] for name, line in zip(arrays, made, strict=True)}
        made = [f'{name} = laid("{name}", {value})' for name, value in values.items()]
        leaves = [*_laying(layout, config.channels_last), *(f"{line}.requires_grad_()" for line in made)]
        made = [*_laying(layout, config.channels_last), *made]
    packed = "" if layout else ".contiguous()"
    lines = [f"y = {'x.permute(0, 3, 1, 2)' if config.channels_last else 'x'}"]
    lines += [] if even else [f"y = torch.nn.functional.pad(y, ({left}, {right}, {top}, {bottom}))"]
    lines += [f"weight = {kernel}{packed}"]
    lines += [f"y = torch.nn.functional.conv2d(y{packed}, weight, {bias}, {window})"]
    lines += ["y = y.permute(0, 2, 3, 1)"] if config.channels_last else []
    lines += _activated(config, lambda name: f"torch.nn.functional.{name}(y{', dim=-1' if name == 'softmax' else ''})")
    return Source(
        imports=("import numpy as np", "import torch"),
        output=(*made, *lines),
        gradients=(
            *leaves,
            *lines,
            f"cotangent = torch.tensor(cotangent, dtype=torch.{config.dtype})",
            f"found = torch.autograd.grad(y, [{', '.join(arrays)}], cotangent)",
            _named(config),
        ),
        to_numpy="{}.detach().double().numpy()",
        versions='"torch", torch.__version__',
    )


def _jax(config: LayerConfig, input_shape: Shape) -> Source:
    layout = "NHWC" if config.channels_last else "NCHW"
    window = f'{config.strides}, "{config.padding.upper()}", rhs_dilation={config.dilation_rate}'
    dimensions = f'dimension_numbers=("{layout}", "HWIO", "{layout}"), feature_group_count=kernel.shape[2]'
    lines = ["weight = kernel.reshape(*kernel.shape[:2], 1, -1)"]
    lines += [f"y = jax.lax.conv_general_dilated(x, weight, {window}, {dimensions})"]
    if config.use_bias:
        lines.append("y = y + bias" if config.channels_last else "y = y + bias.reshape(-1, 1, 1)")
    lines += _activated(config, lambda name: f"jax.nn.{name}(y{', approximate=False' if name == 'gelu' else ''})")
    arrays = ", ".join(("x", *_weights(config)))
    made = (
        f"def layer({arrays}):",
        *(f"    {line}" for line in (*lines, "return y")),
        f'arrays = [jax.numpy.asarray(a, "{config.dtype}") for a in ({arrays})]',
    )
    return Source(
        imports=("import jax", "import numpy as np"),
        output=(*made, "y = layer(*arrays)"),
        gradients=(
            *made,
            "gradients = jax.jit(lambda arrays, cotangent: jax.vjp(layer, *arrays)[1](cotangent))",
            f'found = gradients(arrays, jax.numpy.asarray(cotangent, "{config.dtype}"))',
            _named(config),
        ),
        to_numpy='np.asarray({}, "float64")',
        versions='"jax", jax.__version__',
    )


def _onnxruntime(config: LayerConfig, input_shape: Shape) -> Source:
    """A model of one Conv node, as `onnx_runtime` makes it."""
    if config.dtype not in ELEMENT_TYPES or config.activation == "relu6":
        raise Unsupported(f"no lines are known for {config.dtype} and {config.activation}")
    element = f"onnx.TensorProto.{ELEMENT_TYPES[config.dtype]}"
    bias = ', "b": bias' if config.use_bias else ""
    return Source(
        imports=("import numpy as np", "import onnx", "import onnxruntime", "from onnx import helper, numpy_helper"),
        output=(
            f'x = x.astype("{config.dtype}")',
            "nodes = []",
            *_onnx_nodes(config, input_shape),
            f'weights = {{"w": kernel.transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2]){bias}}}',
            f'weights = [numpy_helper.from_array(a.astype("{config.dtype}"), name) for name, a in weights.items()]',
            f'x_ = helper.make_tensor_value_info("x", {element}, x.shape)',
            f'y_ = helper.make_tensor_value_info("y", {element}, None)',
            'graph = helper.make_graph(nodes, "depthwise", [x_], [y_], weights)',
            f'opset = helper.make_opsetid("", {OPSET})',
            f"model = helper.make_model(graph, opset_imports=[opset], ir_version={IR_VERSION})",
            'session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])',
            'y = session.run(None, {"x": x})[0]',
        ),
        to_numpy='{}.astype("float64")',
        versions='"onnxruntime", onnxruntime.__version__, "onnx", onnx.__version__',
    )


def _onnx_nodes(config: LayerConfig, input_shape: Shape) -> Iterator[str]:
    (top, bottom), (left, right) = explicit_pads(config, *spatial_sizes(config, input_shape))
    channels = input_shape[-1 if config.channels_last else 1]
    window = f"kernel_shape={config.kernel_size}, strides={config.strides}, dilations={config.dilation_rate}"
    steps = [("Conv", f"group={channels}, pads={(top, left, bottom, right)}, {window}")]
    if config.channels_last:
        steps = [("Transpose", "perm=(0, 3, 1, 2)"), *steps, ("Transpose", "perm=(0, 2, 3, 1)")]
    if config.activation not in (None, "linear"):
        if config.activation not in OPERATORS:
            raise Unsupported(f"no line is known for activation {config.activation!r}")
        steps.append((OPERATORS[config.activation], ""))
    names = ["x", *(f"t{number}" for number in range(1, len(steps))), "y"]
    for number, (operator, attributes) in enumerate(steps):
        weights = (["w", "b"] if config.use_bias else ["w"]) if operator == "Conv" else []
        inputs = [names[number], *weights]
        more = f", {attributes}" if attributes else ""
        yield f'nodes.append(helper.make_node("{operator}", {inputs}, ["{names[number + 1]}"]{more}))'


def _activated(config: LayerConfig, call: Callable[[str], str]) -> list[str]:
    if config.activation in (None, "linear"):
        return []
    if config.activation not in ("relu", "relu6", "tanh", "sigmoid", "softplus", "gelu", "softmax"):
        raise Unsupported(f"no line is known for activation {config.activation!r}")
    return [f"y = {call(config.activation)}"]


def _weights(config: LayerConfig) -> tuple[str, ...]:
    return ("kernel", "bias") if config.use_bias else ("kernel",)


def _named(config: LayerConfig) -> str:
    names = ", ".join(f'"{name}"' for name in ("input", *_weights(config)))
    return f"found = dict(zip([{names}], found))"


SOURCES: Mapping[str, Callable[[LayerConfig, Shape], Source]] = {
    "keras-tensorflow": lambda config, input_shape: _keras(config, "tensorflow"),
    "keras-torch": lambda config, input_shape: _keras(config, "torch"),
    "keras-jax": lambda config, input_shape: _keras(config, "jax"),
    "tensorflow": _tensorflow,
    "torch": _torch,
    "jax": _jax,
    "onnxruntime": _onnxruntime,
}
