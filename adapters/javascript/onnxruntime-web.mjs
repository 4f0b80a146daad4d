// `onnxruntime-web`: a model of one Conv node on the wasm provider, its weights constants, as exporters write it.

import { createRequire } from "node:module";
import protobuf from "protobufjs/light.js";
import { Unsupported, serve } from "./worker.mjs";

const require = createRequire(import.meta.url);
const OPSET = 20; // the first with Gelu
const FLOAT = 1;
const [INTS, INT] = [7, 2]; // kinds of attributes
const ACTIVATIONS = { relu: "Relu", relu6: "Clip", tanh: "Tanh", sigmoid: "Sigmoid", softplus: "Softplus", gelu: "Gelu", softmax: "Softmax" };

// As much of onnx.proto as such a model needs: names, types and numbers of fields.
const fields = (...rows) => ({
  fields: Object.fromEntries(rows.map(([name, id, type, rule]) => [name, { id, type, ...(rule ? { rule } : {}) }])),
});
const Model = protobuf.Root.fromJSON({
  nested: {
    Model: fields(["irVersion", 1, "int64"], ["opsetImport", 8, "Opset", "repeated"], ["graph", 7, "Graph"]),
    Opset: fields(["domain", 1, "string"], ["version", 2, "int64"]),
    Graph: fields(
      ["node", 1, "Node", "repeated"], ["name", 2, "string"], ["initializer", 5, "Tensor", "repeated"],
      ["input", 11, "ValueInfo", "repeated"], ["output", 12, "ValueInfo", "repeated"],
    ),
    Node: fields(
      ["input", 1, "string", "repeated"], ["output", 2, "string", "repeated"], ["opType", 4, "string"],
      ["attribute", 5, "Attribute", "repeated"],
    ),
    Attribute: fields(["name", 1, "string"], ["i", 3, "int64"], ["ints", 8, "int64", "repeated"], ["type", 20, "int32"]),
    Tensor: fields(["dims", 1, "int64", "repeated"], ["dataType", 2, "int32"], ["name", 8, "string"], ["rawData", 9, "bytes"]),
    ValueInfo: fields(["name", 1, "string"], ["type", 2, "Type"]),
    Type: fields(["tensorType", 1, "TensorType"]),
    TensorType: fields(["elemType", 1, "int32"], ["shape", 2, "Shape"]),
    Shape: fields(["dim", 1, "Dimension", "repeated"]),
    Dimension: fields(["dimValue", 1, "int64"]),
  },
}).lookupType("Model");

const bytes = (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const constant = (name, dims, values) => ({ name, dims, dataType: FLOAT, rawData: bytes(values) });
const ints = (name, values) => ({ name, type: INTS, ints: values });

function explicitPads(given, [height, width]) {
  if (given.padding !== "same") return [0, 0, 0, 0];
  const { strides = [1, 1], dilation_rate: dilation = [1, 1] } = given;
  const zeros = [height, width].map((size, axis) => {
    const span = (given.kernel_size[axis] - 1) * dilation[axis] + 1;
    return Math.max(span - (size % strides[axis] || strides[axis]), 0);
  });
  return [...zeros.map((all) => Math.floor(all / 2)), ...zeros.map((all) => Math.ceil(all / 2))];
}

// The kernel as (channels * multiplier, 1, height, width): group c has the outputs c * multiplier + m.
function grouped({ shape: [height, width, channels, multiplier], values }) {
  const outputs = channels * multiplier;
  const found = new Float32Array(values.length);
  for (let tap = 0; tap < height * width; tap++)
    for (let o = 0; o < outputs; o++) found[o * height * width + tap] = values[tap * outputs + o];
  return { dims: [outputs, 1, height, width], values: found };
}

function model(given, { x, kernel, bias }) {
  const last = given.data_format !== "channels_first";
  const kind = ACTIVATIONS[given.activation ?? "linear"];
  const weight = grouped(kernel);
  const initializer = [constant("w", weight.dims, weight.values)];
  if (bias) initializer.push(constant("b", bias.shape, bias.values));
  if (kind === "Clip") initializer.push(constant("low", [], Float32Array.of(0)), constant("high", [], Float32Array.of(6)));
  const convolution = [
    { name: "group", type: INT, i: kernel.shape[2] },
    ints("kernel_shape", given.kernel_size),
    ints("strides", given.strides ?? [1, 1]),
    ints("dilations", given.dilation_rate ?? [1, 1]),
    ints("pads", explicitPads(given, last ? x.shape.slice(1, 3) : x.shape.slice(2))),
  ];
  const steps = [["Conv", bias ? ["w", "b"] : ["w"], convolution]];
  if (last) steps.unshift(["Transpose", [], [ints("perm", [0, 3, 1, 2])]]);
  if (last) steps.push(["Transpose", [], [ints("perm", [0, 2, 3, 1])]]);
  if (kind) steps.push([kind, kind === "Clip" ? ["low", "high"] : [], []]);
  const node = steps.map(([opType, others, attribute], at) => ({
    opType, attribute, input: [at ? `t${at}` : "x", ...others], output: [at + 1 < steps.length ? `t${at + 1}` : "y"],
  }));
  const tensor = (shape) => ({ tensorType: { elemType: FLOAT, ...(shape ? { shape } : {}) } });
  const input = [{ name: "x", type: tensor({ dim: x.shape.map((dimValue) => ({ dimValue })) }) }];
  const graph = { name: "depthwise", node, initializer, input, output: [{ name: "y", type: tensor() }] };
  return Model.encode(Model.create({ irVersion: 9, opsetImport: [{ domain: "", version: OPSET }], graph })).finish();
}

await serve(async () => {
  const ort = require("onnxruntime-web");
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  const named = ["linear", ...Object.keys(ACTIVATIONS)].map((name) => `"${name}"`);
  return {
    started: {
      name: "onnxruntime-web",
      versions: { "onnxruntime-web": ort.env.versions.web, node: process.version },
      unsupported: { gradients: "ONNX Runtime computes forwards only" },
      claims: `dtype == "float32" and activation in (${named.join(", ")})`,
    },
    async forward({ arguments: given, arrays }) {
      if (arrays.x.dtype !== "float32") throw new Unsupported(`this target is asked in float32, not ${arrays.x.dtype}`);
      if (!["linear", ...Object.keys(ACTIVATIONS)].includes(given.activation ?? "linear"))
        throw new Unsupported(`ONNX has no operator for ${given.activation}`);
      const session = await ort.InferenceSession.create(model(given, arrays), { executionProviders: ["wasm"] });
      try {
        const { y } = await session.run({ x: new ort.Tensor("float32", arrays.x.values, arrays.x.shape) });
        return { arrays: { output: { shape: [...y.dims], values: y.data } } };
      } finally {
        await session.release();
      }
    },
  };
});
