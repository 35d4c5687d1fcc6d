// @ts-check
// Chooses the device that computes before wasm touches the GPU, because a missing or unfit adapter must not reach wasm.

// WebGPU's own default limits; an adapter below them (compatibility mode) cannot hold the model's tensors.
const MIN_STORAGE_BYTES = 128 * 1024 * 1024;
const MIN_INVOCATIONS = 256;

/**
 * The parts of WebGPU that the choice depends on.
 *
 * @typedef {object} Adapter
 * @property {{vendor?: string, architecture?: string, description?: string, isFallbackAdapter?: boolean}} [info]
 * @property {boolean} [isFallbackAdapter] where older browsers have it
 * @property {{maxStorageBufferBindingSize: number, maxComputeInvocationsPerWorkgroup: number}} limits
 *
 * @typedef {{gpu?: {requestAdapter(options: {powerPreference: "high-performance"}): Promise<Adapter | null>}}} Navigator
 *
 * @typedef {object} Choice
 * @property {"cpu" | "webgpu"} backend
 * @property {"chosen" | "forced" | "missing" | "fallback" | "limits"} reason
 * @property {string} adapter name of the adapter, for people
 */

/**
 * @param {import("../engine/messages.js").WantedBackend} wanted `webgpu` takes a software adapter too
 * @param {Navigator} navigator
 * @returns {Promise<Choice>}
 */
export async function chooseBackend(wanted, navigator) {
  if (wanted === "cpu") return { backend: "cpu", reason: "forced", adapter: "" };
  const adapter = await requestAdapter(navigator);
  if (!adapter) return { backend: "cpu", reason: "missing", adapter: "" };
  const { info, limits } = adapter;
  const name = [info?.vendor, info?.architecture, info?.description].filter(Boolean).join(" ");
  const isFallback = Boolean(info?.isFallbackAdapter ?? adapter.isFallbackAdapter);
  if (wanted === "webgpu") return { backend: "webgpu", reason: isFallback ? "fallback" : "forced", adapter: name };
  if (isFallback) return { backend: "cpu", reason: "fallback", adapter: name };
  if (limits.maxStorageBufferBindingSize < MIN_STORAGE_BYTES || limits.maxComputeInvocationsPerWorkgroup < MIN_INVOCATIONS) {
    return { backend: "cpu", reason: "limits", adapter: name };
  }
  return { backend: "webgpu", reason: "chosen", adapter: name };
}

/**
 * @param {Navigator} navigator
 * @returns {Promise<Adapter | null>} null where there is none
 */
async function requestAdapter({ gpu }) {
  try {
    return (await gpu?.requestAdapter({ powerPreference: "high-performance" })) ?? null;
  } catch {
    // A browser may throw where the GPU process is blocked: the same as having none.
    return null;
  }
}
