// `tfjs-layer`: tf.layers.depthwiseConv2d, Keras's own port, used as its users do.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { array, load, tensor, tidied, versions } from "./tfjs-backend.mjs";
import { Unsupported, serve } from "./worker.mjs";

const NAMES = ["linear", "elu", "gelu", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid"];
const ACTIVATIONS = [...NAMES, "silu", "softmax", "softplus", "softsign", "tanh"];
const ELSEWHERE = /^(celu|exponential|glu|hard_(sigmoid|silu|shrink|swish|tanh)|leaky_relu|log_sigmoid|soft_shrink|sparse\w+|squareplus|tanh_shrink|threshold)$/;
const NO_GRADIENTS = "the wasm backend has no kernels for the gradients";
const DTYPES = ["float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16"];
const WEIGHTS = { depthwise_kernel: "kernel", bias: "bias" };

const configured = process.env.KERAS_HOME || existsSync(join(process.env.HOME ?? "", ".keras"));

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const renamed = (object, rename, value = (_, v) => v) =>
  Object.fromEntries(Object.entries(object).map(([k, v]) => [rename(k), value(k, v)]));

// What is spelled otherwise in tfjs. What it has not, the argument's user could not ask for: unsupported.
function translated(tf, name, value) {
  if (value === null && /^(padding|depth_multiplier)$/.test(name)) throw new Unsupported("null is tfjs's default");
  if (value === null || typeof value !== "object") return typeof value === "string" ? word(tf, name, value) : value;
  if ("tuple" in value) return value.tuple;
  if ("function" in value) throw new Unsupported("tfjs takes instances of its classes, no functions");
  if (Array.isArray(value)) return value;
  const { class_name: className, config } = value;
  if (config.distribution === "untruncated_normal") throw new Unsupported("tfjs has no such distribution");
  if (name.endsWith("regularizer") && /^L(1|2|1L2)$/.test(className))
    return tf.regularizers[className.toLowerCase()](config);
  return { className: className.replace("Lecun", "LeCun"), config: renamed(config, camel, spelled) };
}

const spelled = (name, value) => (/^(mode|distribution)$/.test(name) ? camel(value) : value);

function word(tf, name, value) {
  if (name === "dtype" && DTYPES.includes(value)) throw new Unsupported(`tfjs has no ${value}`);
  if (name === "activation" && ELSEWHERE.test(value)) throw new Unsupported(`tfjs has no activation ${value}`);
  if (name === "activation" && value === "silu") return "swish";
  if (name.endsWith("regularizer") && /^l(1|2|1_l2)$/.test(value)) return tf.regularizers[value.replace("_", "")]();
  const isName = /initializer|constraint|regularizer|data_format|activation$/.test(name);
  return isName ? camel(value).replace(/^lecun/, "leCun") : value;
}

// The layer on its way, a method for each step of the protocol.
class Steps {
  constructor(tf, given, { input_shape: inputShape, shapes, arrays, learning_rate: rate }) {
    Object.assign(this, { tf, inputShape, shapes, arrays, rate: rate ?? 1 });
    const named = Object.entries(given).map(([name, value]) => [camel(name), translated(tf, name, value)]);
    this.layer = tf.layers.depthwiseConv2d(Object.fromEntries(named));
  }

  variables(weights = this.layer.weights) {
    return weights.map((weight) => [WEIGHTS[weight.originalName.split("/").at(-1)], weight.read()]);
  }

  x() {
    return this.arrays.x ? tensor(this.tf, this.arrays.x) : this.tf.zeros(this.inputShape);
  }

  build() {
    this.symbolic(this.inputShape); // as a model does, so that the weights get their full names
  }

  symbolic(batchShape) {
    return this.layer.apply(this.tf.input({ batchShape })).shape;
  }

  weights() {
    const found = this.variables().map(([name, variable]) => [name, array(variable)]);
    return [{ order: found.map(([name]) => name) }, Object.fromEntries(found)];
  }

  assign() {
    for (const [name, variable] of this.variables()) variable.assign(tensor(this.tf, this.arrays[name]));
  }

  call() {
    return [{}, { output: array(this.layer.apply(this.x())) }];
  }

  loss() {
    const { tf } = this;
    return [{}, { loss: array(tf.addN([tf.scalar(0), ...this.layer.calculateLosses()])) }];
  }

  gradients() {
    const { tf, layer } = this;
    const [x, cotangent] = [this.x(), tensor(tf, this.arrays.cotangent)];
    const trained = this.variables(layer.trainableWeights);
    const total = () => tf.addN([tf.sum(tf.mul(cotangent, layer.apply(x))), ...layer.calculateLosses()]);
    const { grads } = tf.engine().gradients(total, [x, ...trained.map(([, variable]) => variable)]);
    return [{}, Object.fromEntries(["input", ...trained.map(([name]) => name)].map((name, i) => [name, array(grads[i])]))];
  }

  step() {
    const { tf } = this;
    const update = ([name, variable]) => {
      const given = this.arrays[`update ${name}`];
      return [variable.name, given ? tensor(tf, given) : tf.zerosLike(variable)];
    };
    const updates = this.variables(this.layer.trainableWeights).map(update);
    tf.train.sgd(this.rate).applyGradients(Object.fromEntries(updates));
  }

  async fit() {
    const { tf } = this;
    const [x, cotangent] = [this.x(), tensor(tf, this.arrays.cotangent)];
    const model = this.model();
    const loss = (wanted, got) => tf.sum(tf.mul(wanted, got), [1, 2, 3]);
    model.compile({ optimizer: tf.train.sgd(this.rate), loss });
    await model.fit(x, cotangent, { batchSize: x.shape[0], epochs: 1, shuffle: false, verbose: 0 });
  }

  attributes() {
    return [{ name: this.layer.name, trainable: this.layer.trainable }];
  }

  config() {
    const config = renamed(this.layer.getConfig(), snake);
    return [{ config: { ...config, data_format: snake(config.data_format) } }];
  }

  recreate() {
    this.layer = this.layer.constructor.fromConfig(this.layer.constructor, this.layer.getConfig());
  }

  async reload() {
    let kept;
    const save = async (artifacts) => ((kept = artifacts), { modelArtifactsInfo: { dateSaved: new Date() } });
    await this.model().save(this.tf.io.withSaveHandler(save));
    this.layer = (await this.tf.loadLayersModel(this.tf.io.fromMemory(kept))).layers.at(-1);
  }

  compute_output_shape() {
    return [{ shapes: (this.shapes ?? [this.inputShape]).map((shape) => this.layer.computeOutputShape(shape)) }];
  }

  symbolic_shape() {
    return [{ shapes: (this.shapes ?? [this.inputShape]).map((shape) => this.symbolic(shape)) }];
  }

  model() {
    const input = this.tf.layers.inputLayer({ inputShape: this.inputShape.slice(1) });
    return this.tf.sequential({ layers: [input, this.layer] });
  }
}

async function take(tf, request) {
  if (!("data_format" in request.arguments) && configured) throw new Unsupported("tfjs reads no Keras configuration");
  if (request.positional?.length) throw new Unsupported("tfjs takes named arguments alone");
  const facts = [];
  const arrays = {};
  let name = "construct";
  try {
    const steps = new Steps(tf, request.arguments, request);
    for (name of request.steps) {
      const [fact = {}, found = {}] = (await steps[name]()) ?? [];
      for (const [part, value] of Object.entries(found)) arrays[`${facts.length}.${part}`] = value;
      facts.push(fact);
    }
  } catch (error) {
    throw Object.assign(error, { step: name });
  }
  return { facts, arrays };
}

await serve(async ({ mode }) => {
  const tf = await load(mode);
  const use = ({ arguments: { strided_dilation: both, ...given }, arrays, input_shape: shape }, steps) => {
    if (both) throw new Unsupported("strides > 1 is documented as incompatible with dilation_rate > 1");
    const said = { data_format: "channels_last", ...given };
    return tidied(tf, () => take(tf, { arguments: said, arrays, steps, input_shape: shape ?? arrays.x.shape }));
  };
  return {
    started: {
      name: "tfjs-layer",
      modes: ["wasm"],
      versions: versions(mode),
      unsupported: {
        functions: "tfjs takes instances of its classes",
        hard_sigmoid: "tfjs has that of Keras 2, 0.2 x + 0.5 between 0 and 1",
        "positional arguments": "tfjs takes names",
        ...(mode ? { gradients: NO_GRADIENTS } : {}),
      },
      claims: `dtype == "float32" and activation in (${ACTIVATIONS.map((name) => `"${name}"`).join(", ")})`,
    },
    async forward(request) {
      const { arrays } = await use(request, ["build", "assign", "call"]);
      return { arrays: { output: arrays["2.output"] } };
    },
    async gradients(request) {
      if (mode) throw new Unsupported(NO_GRADIENTS);
      const { arrays } = await use(request, ["build", "assign", "gradients"]);
      return { arrays: renamed(arrays, (name) => name.slice("2.".length)) };
    },
    output_shape: async (request) => ({ shape: (await use(request, ["symbolic_shape"])).facts[0].shapes[0] }),
    layer(request) {
      if (mode) throw new Unsupported("whole layers are judged on the default backend");
      return tidied(tf, () => take(tf, request));
    },
  };
});
