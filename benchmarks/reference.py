"""How fast is the reference? Its float64 primitives against those of the frameworks, one thread against one thread.

`python benchmarks/reference.py [competitor ...]` runs each competitor in a process of its own, bound to one core. For
each layer, results are compared first; then it and the reference take turns on the same numbers, each in the layout it
prefers, with a bias, and the fastest turn of each counts. Compiling and warming up come before.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from depthwise_conformance.reference import LayerConfig, operation

# MobileNet's depthwise layers as (size, channels, stride, kernel), and two with larger kernels.
LAYERS = [(112, 32, 1, 3), (112, 64, 2, 3), (56, 128, 1, 3), (56, 128, 2, 3), (28, 256, 1, 3), (28, 256, 2, 3)]
LAYERS += [(14, 512, 1, 3), (14, 512, 2, 3), (7, 1024, 1, 3), (56, 128, 1, 5), (14, 512, 1, 5)]
SECONDS = 1.0  # of turns, for each layer and each of the two measurements
ENVIRONMENT = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS", "TF_INTRAOP", "TF_INTEROP")} | {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    **{"JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    # Freed memory stays with the process: what is timed is arithmetic, not the page faults of either side.
    **{"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(1 << 30)},
}
Arrays = list[Any]  # the output; or the output and the gradients for input, kernel and bias
Competitor = tuple[Callable[[], Arrays], Callable[[], Arrays] | None]


def reference(config: LayerConfig, x: Any, kernel: Any, bias: Any, cotangent: Any) -> Competitor:
    """The reference: forward, and forward with gradients."""

    def forward() -> Arrays:
        return [operation.depthwise_conv2d(config, x, kernel, bias)]

    def both() -> Arrays:
        dx = operation.input_gradient(config, cotangent, kernel, x.shape)
        dk = operation.kernel_gradient(config, cotangent, x)
        return [*forward(), dx, dk, operation.bias_gradient(config, cotangent)]

    return forward, both


def torch_conv2d(config: LayerConfig, x: Any, kernel: Any, bias: Any, cotangent: Any) -> Competitor:
    """`torch.nn.functional.conv2d` with groups; memory is channels first, as it prefers."""
    import torch

    torch.set_num_threads(1)
    a, d = (torch.tensor(v.transpose(0, 3, 1, 2).copy()) for v in (x, cotangent))
    arguments = [v.requires_grad_() for v in (a, torch.tensor(kernel.transpose(2, 3, 0, 1).copy()), torch.tensor(bias))]
    before, after = pads(config, x.shape[1])

    def forward() -> Arrays:
        a, k, b = arguments
        a = torch.nn.functional.pad(a, (0, 1, 0, 1)) if after > before else a
        return [torch.nn.functional.conv2d(a, k, b, config.strides, before, groups=x.shape[3])]

    def both() -> Arrays:
        y = forward()
        return [*y, *torch.autograd.grad(y, arguments, d)]

    return forward, both


def keras_layer(config: LayerConfig, x: Any, kernel: Any, bias: Any, cotangent: Any) -> Competitor:
    """Keras's own layer on the backend of this process, compiled if KERAS_COMPILED says so."""
    import keras

    layer = keras.layers.DepthwiseConv2D(config.kernel_size, config.strides, config.padding, dtype="float64")
    layer.build(x.shape)
    layer.set_weights([kernel, bias])
    on_backend = {"jax": keras_on_jax, "torch": keras_on_torch, "tensorflow": keras_on_tensorflow}
    return on_backend[keras.backend.backend()](layer, *(keras.ops.convert_to_tensor(v) for v in (x, cotangent)))


def keras_on_jax(layer: Any, a: Any, d: Any) -> Competitor:
    """The layer as a function of its input and its weights, compiled."""
    import jax

    def call(a: Any, weights: Any) -> Any:
        return layer.stateless_call(weights, [], a)[0]

    def pull(a: Any, weights: Any) -> Any:
        y, back = jax.vjp(call, a, weights)
        da, dw = back(d)
        return [y, da, *dw]

    compiled, weights = [jax.jit(call), jax.jit(pull)], [v.value for v in layer.trainable_variables]
    return lambda: [compiled[0](a, weights).block_until_ready()], lambda: jax.block_until_ready(compiled[1](a, weights))


def keras_on_torch(layer: Any, a: Any, d: Any) -> Competitor:
    """The layer with torch's own gradients."""
    import torch

    torch.set_num_threads(1)
    arguments = [a.requires_grad_(), *(v.value for v in layer.trainable_variables)]

    def forward() -> Arrays:
        return [layer(a)]

    def autograd() -> Arrays:
        y = forward()
        return [*y, *torch.autograd.grad(y, arguments, d)]

    return forward, autograd


def keras_on_tensorflow(layer: Any, a: Any, d: Any) -> Competitor:
    """The layer with TensorFlow's tape."""
    import tensorflow as tf

    def forward() -> Arrays:
        return [layer(a)]

    def tape() -> Arrays:
        with tf.GradientTape() as t:
            t.watch(a)
            y = layer(a)
        return [y, *t.gradient(y, [a, *layer.trainable_variables], d)]

    return (tf.function(forward), tf.function(tape)) if "KERAS_COMPILED" in os.environ else (forward, tape)


def onnx_reference(config: LayerConfig, x: Any, kernel: Any, bias: Any, cotangent: Any) -> Competitor:
    """ONNX's ReferenceEvaluator on a Conv node; it has no gradients."""
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    before, after = pads(config, x.shape[1])
    feeds = {"x": x.transpose(0, 3, 1, 2).copy(), "w": kernel.transpose(2, 3, 0, 1).copy(), "b": bias}
    attributes = {"strides": config.strides, "pads": [before, before, after, after], "group": x.shape[3]}
    node = helper.make_node("Conv", list(feeds), ["y"], kernel_shape=config.kernel_size, **attributes)
    inputs = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, v.shape) for name, v in feeds.items()]
    output = helper.make_tensor_value_info("y", TensorProto.DOUBLE, None)
    evaluator = ReferenceEvaluator(helper.make_model(helper.make_graph([node], "conv", inputs, [output])))
    return lambda: evaluator.run(None, feeds), None


def pads(config: LayerConfig, size: int) -> tuple[int, int]:
    """The zeros before and after one axis, as padding "same" has them."""
    stride, kernel = config.strides[0], config.kernel_size[0]
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


Build = Callable[[LayerConfig, Any, Any, Any, Any], Competitor]
COMPETITORS: dict[str, tuple[Build, bool, dict[str, str]]] = {  # with: whether channels come first, its environment
    "torch": (torch_conv2d, True, {}),
    "keras-tensorflow": (keras_layer, False, {"KERAS_BACKEND": "tensorflow"}),
    "keras-tensorflow-function": (keras_layer, False, {"KERAS_BACKEND": "tensorflow", "KERAS_COMPILED": "1"}),
    "keras-torch": (keras_layer, False, {"KERAS_BACKEND": "torch"}),
    "keras-jax-jit": (keras_layer, False, {"KERAS_BACKEND": "jax"}),
    "onnx-reference": (onnx_reference, True, {}),
}


def compete(name: str) -> None:
    """The child: a line of JSON for each layer, `[ours, theirs]` in milliseconds forward and with gradients."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    build, channels_first, _ = COMPETITORS[name]
    random = np.random.default_rng(0)
    for size, channels, stride, extent in LAYERS:
        config, out = LayerConfig(extent, stride, "same", dtype="float64"), math.ceil(size / stride)
        shapes = ((1, size, size, channels), (extent, extent, channels, 1), (channels,), (1, out, out, channels))
        arguments = [random.standard_normal(shape) for shape in shapes]
        pairs = zip(reference(config, *arguments), build(config, *arguments), strict=True)
        print(json.dumps([take_turns(ours, theirs, channels_first) for ours, theirs in pairs if theirs]), flush=True)


def take_turns(ours: Any, theirs: Any, channels_first: bool) -> list[float]:
    """The fastest turn of each in milliseconds, after comparing what they compute."""
    for index, (a, b) in enumerate(zip(ours(), theirs(), strict=True)):
        b = b.detach().numpy() if hasattr(b, "detach") else np.asarray(b)
        axes = ((0, 2, 3, 1), (0, 2, 3, 1), (2, 3, 0, 1), (0,))[index] if channels_first else range(b.ndim)
        np.testing.assert_allclose(a, b.transpose(axes), rtol=1e-9, atol=1e-9)
    turns: list[list[float]] = [[], []]
    end = time.process_time() + SECONDS  # its own: others may use the machine
    while len(turns[0]) < 5 or time.process_time() < end:
        for run, times in zip((ours, theirs), turns, strict=True):
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
    return [min(times) for times in turns]


def main(names: list[str]) -> None:
    """The parent: a process for each competitor, then the table."""
    table = Table("layer", title="time of the competitor / time of the reference: forward, forward and gradients")
    cells: list[list[str]] = [[f"{s}x{s}x{c} stride {t}, {k}x{k}"] for s, c, t, k in LAYERS]
    behind = []
    for name in names:
        command = [sys.executable, "-P", __file__, "--compete", name]
        environment = os.environ | ENVIRONMENT | COMPETITORS[name][2]
        child = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        table.add_column(name)
        for cell, line in zip(cells, child.stdout.splitlines(), strict=True):
            ratios = [theirs / ours for ours, theirs in json.loads(line)]
            cell.append("  ".join(f"[{'green' if r > 1 else 'red'}]{r:.2f}[/]" for r in ratios))
            behind += [f"{name}: {cell[0]}, {r:.2f}" for r in ratios if r <= 1]
    for cell in cells:
        table.add_row(*cell)
    Console(width=160).print(table)
    print("The reference is not ahead of", *(behind or ["nothing: it is ahead everywhere"]), sep="\n  ")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--compete"]:
        compete(sys.argv[2])
    else:
        main(sys.argv[1:] or list(COMPETITORS))
