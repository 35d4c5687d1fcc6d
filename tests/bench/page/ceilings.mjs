// What this browser can do at most on this machine: multiply-adds and bytes moved per second, on the processor and on the GPU.

import { answer } from "./answer.mjs";

// --- the processor: a wasm module of two loops, written out in bytes

const leb = (value) => {
  const bytes = [];
  for (let rest = value >>> 0; ; rest >>>= 7) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest & 127) | 128);
  }
};
const sleb = (value) => {
  const bytes = [];
  for (let rest = value; ; rest >>= 7) {
    const byte = rest & 127;
    if (rest >> 7 === (byte & 64 ? -1 : 0)) return [...bytes, byte];
    bytes.push(byte | 128);
  }
};
const sized = (bytes) => [...leb(bytes.length), ...bytes];
const section = (id, entries) => [id, ...sized([...leb(entries.length), ...entries.flat()])];
const simd = (op, ...rest) => [0xfd, ...leb(op), ...rest];
const [GET, SET, I32, V128] = [0x20, 0x21, 0x7f, 0x7b];
const F32_SPLAT = simd(0x13);
const f32 = (value) => [0x43, ...new Uint8Array(new Float32Array([value]).buffer)];

/** A loop that runs `body` until local 0, which each round lowers by `step`, is 0. */
const loop = (step, body) => [0x03, 0x40, ...body, GET, 0, 0x41, ...sleb(step), 0x6b, 0x22, 0, 0x0d, 0, 0x0b];

// So many chains that the multiplier of the processor never waits for a result, and so few that all fit into 16 registers.
const CHAINS = 10;
const LANES = 4;
/** Local 0 counts; 1 and 2 are factor and summand; the chains follow. Values converge to 1, so none becomes huge or tiny. */
function multiplyAdd(isFused) {
  const chain = (index) =>
    isFused
      ? [GET, 3 + index, GET, 1, GET, 2, ...simd(0x105), SET, 3 + index]
      : [GET, 3 + index, GET, 1, ...simd(0xe6), GET, 2, ...simd(0xe4), SET, 3 + index];
  const chains = Array.from({ length: CHAINS }, (_, index) => index);
  const sum = chains.slice(1).flatMap((index) => [GET, 3 + index, ...simd(0xe4)]);
  return [
    ...f32(0.999), ...F32_SPLAT, SET, 1, ...f32(0.001), ...F32_SPLAT, SET, 2,
    ...loop(1, chains.flatMap(chain)),
    GET, 3, ...sum, ...simd(0x1f, 0), // lane 0, so that nothing is computed in vain
    0x0b,
  ];
}

const READ_BYTES = 64;
/** Reads memory from local 0 down to 0, 64 bytes a round. */
const readMemory = [
  ...loop(READ_BYTES, [0, 1, 2, 3].flatMap((index) => {
    // The address is one round below the counter.
    const address = [GET, 0, 0x41, ...sleb(READ_BYTES), 0x6b];
    return [GET, 3 + index, ...address, ...simd(0x00, 0, ...leb(16 * index)), ...simd(0x51), SET, 3 + index];
  })),
  GET, 3, GET, 4, ...simd(0x51), GET, 5, ...simd(0x51), GET, 6, ...simd(0x51), ...simd(0x1f, 0),
  0x0b,
];

const MEMORY_BYTES = 256 << 20;

function moduleOf(body) {
  const locals = [[...leb(2 + CHAINS), V128]];
  const code = sized([...leb(locals.length), ...locals.flat(), ...body]);
  const name = (text) => sized([...new TextEncoder().encode(text)]);
  return new Uint8Array([
    0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [[0x60, 1, I32, 1, 0x7d]]),
    ...section(3, [[0]]),
    ...section(5, [[0x00, ...leb(MEMORY_BYTES >> 16)]]),
    ...section(7, [[...name("run"), 0x00, 0], [...name("memory"), 0x02, 0]]),
    ...section(10, [code]),
  ]);
}

/** Units per second of `act(count)`, the best of several goes of a fifth of a second. */
function fastest(act, units, count) {
  let rate = 0;
  for (const until = performance.now() + 2000; performance.now() < until; ) {
    const began = performance.now();
    act(count);
    const seconds = (performance.now() - began) / 1000;
    rate = Math.max(rate, (units * count) / seconds);
    if (seconds < 0.1) count *= 2;
  }
  return rate;
}

async function cpu() {
  const exportsOf = async (body) => (await WebAssembly.instantiate(moduleOf(body))).instance.exports;
  const perRound = CHAINS * LANES;
  const { run: plain } = await exportsOf(multiplyAdd(false));
  // Older engines do not know relaxed SIMD.
  const fused = (await exportsOf(multiplyAdd(true)).catch(() => null))?.run;
  const { run: read, memory } = await exportsOf(readMemory);
  // Pages that were never written are all one page, which the cache holds.
  new Uint8Array(memory.buffer).fill(1);
  return {
    multiply_adds_per_s: fastest(plain, perRound, 1 << 20),
    fused_multiply_adds_per_s: fused ? fastest(fused, perRound, 1 << 20) : null,
    bytes_per_s: fastest((count) => { for (let round = 0; round < count; round += 1) read(MEMORY_BYTES); }, MEMORY_BYTES, 1),
  };
}

// --- the GPU: the same two loops

const GROUP = 64;
const GPU_ROUNDS = 256;
const GPU_CHAINS = 8;
// Two buffers whose copy takes fewer groups than every device allows in a row, 65,535.
const GPU_BYTES = 32 << 20;

const multiplyAddShader = `
@group(0) @binding(0) var<storage, read_write> sink: array<vec4f>;
@compute @workgroup_size(${GROUP}) fn main(@builtin(global_invocation_id) id: vec3u) {
  ${Array.from({ length: GPU_CHAINS }, (_, index) => `var a${index} = vec4f(f32(id.x) + ${index}.0);`).join("\n  ")}
  for (var round = 0u; round < ${GPU_ROUNDS}u; round++) {
    ${Array.from({ length: GPU_CHAINS }, (_, index) => `a${index} = fma(a${index}, vec4f(0.999), vec4f(0.001));`).join("\n    ")}
  }
  sink[id.x % 64u] = ${Array.from({ length: GPU_CHAINS }, (_, index) => `a${index}`).join(" + ")};
}`;
const copyShader = `
@group(0) @binding(0) var<storage, read_write> sink: array<vec4f>;
@group(0) @binding(1) var<storage, read> source: array<vec4f>;
@compute @workgroup_size(${GROUP}) fn main(@builtin(global_invocation_id) id: vec3u) {
  sink[id.x] = source[id.x];
}`;

async function webgpu() {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return null;
  const device = await adapter.requestDevice();
  const buffer = (size) => device.createBuffer({ size, usage: GPUBufferUsage.STORAGE });
  const [sink, source] = [buffer(GPU_BYTES), buffer(GPU_BYTES)];
  const kernel = (code, buffers) => {
    const pipeline = device.createComputePipeline({ layout: "auto", compute: { module: device.createShaderModule({ code }) } });
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    return { pipeline, group: device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }) };
  };
  const time = async ({ pipeline, group }, groups, times) => {
    const encoder = device.createCommandEncoder();
    for (let go = 0; go < times; go += 1) {
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(groups);
      pass.end();
    }
    const began = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return (performance.now() - began) / 1000;
  };
  const rate = async (made, groups, units) => {
    let [best, times] = [0, 1];
    for (const until = performance.now() + 2000; performance.now() < until; ) {
      const seconds = await time(made, groups, times);
      best = Math.max(best, (units * times) / seconds);
      if (seconds < 0.1) times *= 2;
    }
    return best;
  };
  // Enough work for a large GPU, and below a second on a software adapter.
  const groups = 4096;
  device.pushErrorScope("validation");
  const result = {
    multiply_adds_per_s: await rate(kernel(multiplyAddShader, [sink]), groups, groups * GROUP * GPU_ROUNDS * GPU_CHAINS * LANES),
    // What is read and what is written.
    bytes_per_s: await rate(kernel(copyShader, [sink, source]), GPU_BYTES / 16 / GROUP, 2 * GPU_BYTES),
  };
  const error = await device.popErrorScope();
  device.destroy();
  if (error) throw new Error(error.message);
  return result;
}

/** Name of the GPU, or of what stands for one; null where there is none. */
async function adapter() {
  const info = (await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }))?.info;
  return info ? [info.vendor, info.architecture, info.description].filter(Boolean).join(" ") : null;
}

answer({ cpu, webgpu, adapter });
