// Counts what passes through the WebGPU API of this worker, whoever calls it. Import it before the code that it should count.

const none = () => ({ dispatches: 0, pipelines: 0, shader_bytes: 0, submissions: 0, uploaded_bytes: 0, read_back_bytes: 0 });

let counts = none();
let bytesNow = 0;
let bytesPeak = 0;
/** Pipelines since the worker started, whatever was counted in between. */
let pipelines = 0;

/** Wraps a method, if this browser has it. @param {string} type @param {string} name @param {(object: any, values: any[]) => void} before */
function record(type, name, before) {
  const method = globalThis[type]?.prototype[name];
  if (!method) return;
  globalThis[type].prototype[name] = function recorded(...values) {
    before(this, values);
    return method.apply(this, values);
  };
}

const compile = () => {
  counts.pipelines += 1;
  pipelines += 1;
};

record("GPUComputePassEncoder", "dispatchWorkgroups", () => (counts.dispatches += 1));
record("GPUComputePassEncoder", "dispatchWorkgroupsIndirect", () => (counts.dispatches += 1));
record("GPUDevice", "createComputePipeline", compile);
record("GPUDevice", "createComputePipelineAsync", compile);
record("GPUDevice", "createShaderModule", (_, [{ code }]) => (counts.shader_bytes += code.length));
record("GPUQueue", "submit", () => (counts.submissions += 1));
record("GPUQueue", "writeBuffer", (_, [, , data, , size]) => {
  // The size is in elements of the array, or in bytes of a buffer.
  counts.uploaded_bytes += size === undefined ? data.byteLength : size * (data.BYTES_PER_ELEMENT ?? 1);
});
record("GPUBuffer", "mapAsync", (buffer, [mode, offset = 0, size]) => {
  if (mode === globalThis.GPUMapMode.READ) counts.read_back_bytes += size ?? buffer.size - offset;
});
/** Buffers that are there, with their sizes: `destroy` may be called twice. */
const alive = new WeakSet();
record("GPUBuffer", "destroy", (buffer) => {
  if (alive.delete(buffer)) bytesNow -= buffer.size;
});
const createBuffer = globalThis.GPUDevice?.prototype.createBuffer;
if (createBuffer) {
  globalThis.GPUDevice.prototype.createBuffer = function recorded(descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    alive.add(buffer);
    bytesNow += descriptor.size;
    bytesPeak = Math.max(bytesPeak, bytesNow);
    if (descriptor.mappedAtCreation) counts.uploaded_bytes += descriptor.size;
    return buffer;
  };
}

/** What was counted since the last call. */
export function take() {
  const taken = counts;
  counts = none();
  return taken;
}

/** Pipelines that were made, and the largest sum of the sizes of buffers that were not destroyed. */
export const totals = () => ({ pipelines, peak_buffer_bytes: bytesPeak });

/** Memories of the wasm instances of this worker. @type {Set<WebAssembly.Memory>} */
const memories = new Set();
const { Memory } = WebAssembly;
WebAssembly.Memory = class extends Memory {
  constructor(descriptor) {
    super(descriptor);
    memories.add(this);
  }
};
for (const name of ["instantiate", "instantiateStreaming"]) {
  const method = WebAssembly[name];
  WebAssembly[name] = async (...values) => {
    const result = await method.apply(WebAssembly, values);
    for (const value of Object.values((result.instance ?? result).exports)) if (value instanceof Memory) memories.add(value);
    return result;
  };
}

/** Bytes of wasm's memory. It never shrinks, so this is the most that it took. */
export const wasmBytes = () => [...memories].reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
