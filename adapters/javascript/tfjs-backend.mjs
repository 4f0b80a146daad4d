// What the targets of tfjs share: the library with its backend chosen, tensors in and out.

import { createRequire } from "node:module";
import { dirname } from "node:path";
import { TYPES, Unsupported } from "./worker.mjs";

const require = createRequire(import.meta.url);

// tfjs on the backend that the mode names, the plain JavaScript one by default.
export async function load(mode) {
  const backend = mode || "cpu";
  if (!["cpu", "wasm"].includes(backend)) throw new Error(`mode ${mode}: there is wasm, and the default`);
  const tf = require("@tensorflow/tfjs");
  if (backend === "wasm") {
    const { setWasmPaths } = require("@tensorflow/tfjs-backend-wasm");
    setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm"))}/`);
  }
  if (!(await tf.setBackend(backend))) throw new Error(`tfjs could not start its backend ${backend}`);
  await tf.ready();
  return tf;
}

export function versions(mode) {
  const names = ["@tensorflow/tfjs", ...(mode === "wasm" ? ["@tensorflow/tfjs-backend-wasm"] : [])];
  const found = names.map((name) => [name, require(`${name}/package.json`).version]);
  return Object.fromEntries([...found, ["node", process.version]]);
}

export function tensor(tf, array) {
  if (array.values === null || !(array.values instanceof TYPES.float32))
    throw new Unsupported(`tfjs has no ${array.dtype}`);
  return tf.tensor(array.values.slice(), array.shape, "float32"); // of memory of its own, as tfjs keeps it
}

export function array(found) {
  return { shape: found.shape, values: found.dataSync().slice() };
}

// What `use` returns, when all tensors that it made are disposed of. A kernel that a backend lacks is a limit that it
// documents.
export async function tidied(tf, use) {
  tf.engine().startScope();
  try {
    return await use();
  } catch (error) {
    const told = String(error?.message);
    if (/^Kernel '\w+' not registered for backend/.test(told)) throw new Unsupported(told);
    throw error;
  } finally {
    tf.engine().endScope();
    tf.disposeVariables();
  }
}
