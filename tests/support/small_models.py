"""Makes small models in a folder, in a process of its own: `python small_models.py FOLDER`.

`image.npy` is what they are given; beside each model, `<model>.npz` holds what its depthwise layers then gave, by name,
in the framework that made it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np

os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
FOLDER = Path(sys.argv[1]) if __name__ == "__main__" else Path()
RANDOM = np.random.default_rng(0)


def numbers(*shape: int) -> np.ndarray:
    """Small whole ones, of which every sum is exact: how a layer rounds, no later one has to bear."""
    return RANDOM.integers(-3, 4, shape).astype(np.float32)


def make_keras(image: np.ndarray) -> None:
    """Depthwise layers in the model, in a model within it of open sizes, and shared; and a separable one."""
    import keras

    depthwise = keras.layers.DepthwiseConv2D
    inside = keras.Input((None, None, 6))
    inner = keras.Model(inside, depthwise((3, 2), strides=2, padding="same", name="down")(inside), name="inner")
    image_in = keras.Input((12, 14, 3))
    first = depthwise(3, padding="same", depth_multiplier=2, activation="relu", name="first")(image_in)
    twice = depthwise(2, dilation_rate=(1, 2), use_bias=False, name="twice")
    down = inner(first)
    once = twice(down)
    again = twice(keras.layers.ReLU()(once))
    model = keras.Model(image_in, keras.layers.SeparableConv2D(2, 1, name="apart")(again))
    model.set_weights([numbers(*weight.shape) for weight in model.get_weights()])
    model.save(FOLDER / "small.keras")
    (FOLDER / "small.json").write_text(model.to_json())
    seen = keras.Model(image_in, [first, down, once, again])(image)
    names = ("first", "inner/down", "twice", "twice (call 2)")
    np.savez(FOLDER / "small.keras.npz", **dict(zip(names, map(np.asarray, seen), strict=True)))
    any_size = keras.Input((None, None, 3))
    of_any_size = keras.Model(any_size, depthwise(3, name="open")(any_size))
    (FOLDER / "open.json").write_text(json.dumps(of_any_size.get_config()))
    make_tflite(image)


def make_tflite(image: np.ndarray) -> None:
    """A fused activation, and float16 weights in a model of their own."""
    import keras
    import tensorflow

    image_in = keras.Input((12, 14, 3))
    depthwise = keras.layers.DepthwiseConv2D
    one = depthwise(3, strides=2, padding="same", depth_multiplier=2, activation="relu6", name="one")(image_in)
    model = keras.Model(image_in, [one, depthwise((2, 3), use_bias=False, name="two")(one)])
    model.set_weights([numbers(*weight.shape) for weight in model.get_weights()])
    converter = tensorflow.lite.TFLiteConverter.from_keras_model(model)
    (FOLDER / "small.tflite").write_bytes(converter.convert())
    seen = run_tflite(tensorflow.lite, FOLDER / "small.tflite", image)
    np.savez(FOLDER / "small.tflite.npz", **dict(zip(("one", "two"), seen, strict=True)))
    converter.optimizations = [tensorflow.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tensorflow.float16]
    (FOLDER / "half.tflite").write_bytes(converter.convert())


def run_tflite(lite, file: Path, image: np.ndarray) -> list[np.ndarray]:
    """The outputs, in the order of the model."""
    plain = lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = lite.Interpreter(str(file), experimental_op_resolver_type=plain)
    (index,) = [one["index"] for one in interpreter.get_input_details()]
    interpreter.resize_tensor_input(index, image.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, image)
    interpreter.invoke()
    outputs = sorted(interpreter.get_output_details(), key=lambda one: one["name"])
    return [interpreter.get_tensor(one["index"]) for one in outputs]


def make_onnx(image: np.ndarray) -> None:
    """Every way of saying the pads, and what is no depthwise layer with constants."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper, save

    weights: list = []
    nodes: list = []

    def constant(name: str, *shape: int) -> str:
        weights.append(numpy_helper.from_array(numbers(*shape), name))
        return name

    def convolution(name: str, source: str, weight: str, *bias: str, **attributes: object) -> str:
        nodes.append(helper.make_node("Conv", [source, weight, *bias], [f"{name} out"], name, **attributes))
        return f"{name} out"

    turned = "turned"
    nodes.append(helper.make_node("Transpose", ["image"], [turned], perm=[0, 3, 1, 2]))
    three = {"group": 3}
    same = convolution("same", turned, constant("w1", 3, 1, 3, 3), constant("b1", 3), pads=[1, 1, 1, 1], **three)
    odd = convolution("odd", same, constant("w2", 3, 1, 3, 3), pads=[2, 0, 0, 1], strides=[2, 2], **three)
    lower = convolution("lower", odd, constant("w3", 3, 1, 2, 2), auto_pad="SAME_LOWER", **three)
    upper = convolution("upper", lower, constant("w4", 3, 1, 2, 2), auto_pad="SAME_UPPER", **three)
    valid = convolution("valid", upper, constant("w5", 6, 1, 2, 2), constant("b5", 6), dilations=[1, 2], **three)
    nodes.append(helper.make_node("Mul", [constant("w6", 6, 1, 1, 1), constant("factor", 1)], ["product"]))
    computed = convolution("computed", valid, "product", group=6)
    paired = convolution("paired", computed, constant("w7", 4, 3, 1, 1), group=2)
    convolution("plain", paired, constant("w8", 2, 4, 1, 1))
    names = ("same", "odd", "lower", "upper", "valid", "plain")
    outputs = [helper.make_tensor_value_info(f"{name} out", TensorProto.FLOAT, None) for name in names]
    image_in = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 12, 14, 3])
    graph = helper.make_graph(nodes, "small", [image_in], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, FOLDER / "small.onnx")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    seen = dict(zip(names, session.run(None, {"image": image}), strict=True))
    np.savez(FOLDER / "small.onnx.npz", **{name: seen[name] for name in names[:-1]})
    make_left_out(helper, TensorProto)


def make_left_out(helper, kinds) -> None:
    """An ONNX model none of whose depthwise layers can be judged: quantised, within a branch, of one dimension."""
    from onnx import numpy_helper, save

    shape = [1, 2, 5, 5]
    inner = helper.make_node("Conv", ["x", "w"], ["y"], "inside", group=2)
    then = helper.make_graph([inner], "then", [], [helper.make_tensor_value_info("y", kinds.FLOAT, shape)])
    same = helper.make_node("Identity", ["x"], ["v"])
    otherwise = helper.make_graph([same], "otherwise", [], [helper.make_tensor_value_info("v", kinds.FLOAT, shape)])
    constants = [
        numpy_helper.from_array(numbers(2, 1, 1, 1), "w"),
        numpy_helper.from_array(np.ones((2, 1, 1, 1), np.int8), "whole"),
        numpy_helper.from_array(numbers(2, 1, 3), "short"),
        numpy_helper.from_array(np.array(True), "yes"),
    ]
    nodes = [
        helper.make_node("If", ["yes"], ["z"], then_branch=then, else_branch=otherwise),
        helper.make_node("ConvInteger", ["bytes", "whole"], ["sums"], "quantised", group=2),
        helper.make_node("Conv", ["line", "short"], ["strip"], "strip", group=2),
    ]
    inputs = [
        helper.make_tensor_value_info("x", kinds.FLOAT, shape),
        helper.make_tensor_value_info("bytes", kinds.INT8, shape),
        helper.make_tensor_value_info("line", kinds.FLOAT, [1, 2, 5]),
    ]
    outputs = [helper.make_tensor_value_info("z", kinds.FLOAT, shape)]
    graph = helper.make_graph(nodes, "left out", inputs, outputs, constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), FOLDER / "left.onnx")


if __name__ == "__main__":
    given = numbers(2, 12, 14, 3)
    np.save(FOLDER / "image.npy", given)
    make_onnx(given)
    make_keras(given)
