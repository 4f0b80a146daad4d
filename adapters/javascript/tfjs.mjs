// `tfjs`: the operation tf.depthwiseConv2d, with tf.add for the bias and its function for the activation.

import { array, load, tensor, tidied, versions } from "./tfjs-backend.mjs";
import { Unsupported, serve } from "./worker.mjs";

await serve(async ({ mode }) => {
  const tf = await load(mode);
  const activations = {
    linear: (y) => y,
    elu: tf.elu,
    leaky_relu: tf.leakyRelu, // its slope is 0.2 by default, as Keras's
    log_softmax: tf.logSoftmax,
    relu: tf.relu,
    relu6: tf.relu6,
    selu: tf.selu,
    sigmoid: tf.sigmoid,
    softmax: tf.softmax,
    softplus: tf.softplus,
    tanh: tf.tanh,
  };
  const named = Object.keys(activations).map((name) => `"${name}"`);

  function compute(given, x, kernel, bias) {
    const { strides = [1, 1], padding = "valid", dilation_rate: dilation = [1, 1] } = given;
    const y = tf.depthwiseConv2d(x, kernel, strides, padding, "NHWC", dilation);
    return activations[given.activation ?? "linear"](bias ? tf.add(y, bias) : y);
  }

  function check(given) {
    if (given.data_format === "channels_first") throw new Unsupported("only NHWC is supported");
    if (!((given.activation ?? "linear") in activations)) throw new Unsupported(`no function for ${given.activation}`);
  }

  const tensors = (arrays) => ["x", "kernel", "bias"].filter((name) => name in arrays).map((n) => tensor(tf, arrays[n]));

  return {
    started: {
      name: "tfjs",
      modes: ["wasm"],
      versions: versions(mode),
      unsupported: { channels_first: "only NHWC is supported", gradients: "those of dilated windows are not there" },
      claims:
        `dtype == "float32" and data_format == "channels_last" and (stride == 1 or dilation == 1) ` +
        `and activation in (${named.join(", ")})`,
    },
    forward({ arguments: given, arrays }) {
      check(given);
      return tidied(tf, () => ({ arrays: { output: array(compute(given, ...tensors(arrays))) } }));
    },
    gradients({ arguments: given, arrays }) {
      check(given);
      if (Math.max(...(given.dilation_rate ?? [1])) > 1)
        throw new Unsupported("gradients of dilation rates greater than 1 are not yet supported");
      return tidied(tf, () => {
        const pull = tf.grads((...values) => compute(given, ...values));
        const [input, kernel, bias] = pull(tensors(arrays), tensor(tf, arrays.cotangent)).map(array);
        return { arrays: bias ? { input, kernel, bias } : { input, kernel } };
      });
    },
  };
});
