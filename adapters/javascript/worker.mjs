// The worker protocol (docs/protocol.md) for targets in JavaScript: frames on standard input and output.

import { readSync, writeSync } from "node:fs";

// Standard output is for frames: what a library prints goes to standard error. (To touch process.stdout would be to
// have its pipe refuse what it cannot take at once.)
console.log = console.info = console.debug = console.error;

export const TYPES = { float32: Float32Array, float64: Float64Array };

export class Unsupported extends Error {}

// Answers until `stop` or the end of the input. `open` takes what `start` says and returns the target: `started`, what
// it says of itself, and a function by the name of each operation, of the request; it returns entries of the answer.
export async function serve(open) {
  let target = null;
  for (let request; (request = receive()) !== null && request.type !== "stop"; ) {
    let answer;
    if (request.type === "start") [target, answer] = await start(open, request);
    else answer = { type: "result", ...(await attempt(target, request)) };
    send({ ...answer, id: request.id ?? null });
  }
  process.exit(0); // whatever a library still waits for
}

async function start(open, request) {
  if (request.protocol !== 1) return [null, { type: "failed", message: "this worker speaks protocol 1" }];
  try {
    const target = await open(request);
    const said = { type: "started", protocol: 1, devices: ["cpu"], dtypes: ["float32"], modes: [], unsupported: {} };
    return [target, { ...said, ...target.started }];
  } catch (error) {
    return [null, { type: "failed", message: String(error?.stack ?? error) }];
  }
}

async function attempt(target, request) {
  const begun = performance.now();
  try {
    if (target === null) throw new Error("nothing has been started");
    if (!(request.operation in target)) throw new Unsupported(`there is no ${request.operation} here`);
    const found = await target[request.operation](request);
    for (const [name, { shape, values }] of Object.entries(found.arrays ?? {}))
      if (shape.some((size) => size < 0) || shape.reduce((a, b) => a * b, 1) !== values.length)
        return { outcome: "bad_return", message: `${name} is ${values.length} numbers of shape (${shape})` };
    return { outcome: "value", seconds: (performance.now() - begun) / 1000, ...found };
  } catch (error) {
    if (error instanceof Unsupported) return { outcome: "unsupported", message: error.message };
    return { ...described(error), ...(error?.step ? { step: error.step } : {}) };
  }
}

function described(error) {
  const classes = [];
  for (let kind = Object.getPrototypeOf(Object(error)); kind && kind !== Object.prototype; kind = Object.getPrototypeOf(kind))
    classes.push(kind.constructor.name);
  const message = error instanceof Error ? `${classes[0]}: ${error.message}` : String(error);
  return { outcome: "error", classes: classes.length ? classes : ["Object"], message: message.slice(0, 20000) };
}

function read(count) {
  const bytes = Buffer.alloc(count);
  for (let at = 0; at < count; ) {
    const got = readSync(0, bytes, at, count - at, null);
    if (got === 0) return null;
    at += got;
  }
  return bytes;
}

function receive() {
  const prefix = read(16);
  if (prefix === null) return null;
  const header = JSON.parse(read(prefix.readUInt32LE(4)).toString());
  const payload = read(Number(prefix.readBigUInt64LE(8)));
  const arrays = {};
  for (const { name, dtype, shape, offset } of header.arrays) {
    const count = shape.reduce((a, b) => a * b, 1);
    const values = dtype in TYPES ? new TYPES[dtype](payload.buffer, payload.byteOffset + offset, count) : null;
    arrays[name] = { dtype, shape, values };
  }
  return { ...header, arrays };
}

// `arrays` of an answer are { shape, values } by name, the values of one of TYPES.
function send({ arrays: given = {}, ...header }) {
  const arrays = [];
  const pieces = [];
  let offset = 0;
  for (const [name, { shape, values }] of Object.entries(given)) {
    const dtype = Object.keys(TYPES).find((one) => values instanceof TYPES[one]);
    arrays.push({ name, dtype, shape, offset });
    pieces.push(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
    offset += values.byteLength;
  }
  const text = Buffer.from(JSON.stringify({ ...header, arrays }));
  const prefix = Buffer.alloc(16);
  prefix.write("DWC1");
  prefix.writeUInt32LE(text.length, 4);
  prefix.writeBigUInt64LE(BigInt(offset), 8);
  const frame = Buffer.concat([prefix, text, ...pieces]);
  for (let at = 0; at < frame.length; ) at += writeSync(1, frame, at);
}
