// @ts-check
// Which device computes is decided here, before wasm touches the GPU: a missing or unfit adapter must not reach it.

// WebGPU's own default limits; an adapter below them (compatibility mode) cannot hold the model's tensors.
const MIN_STORAGE_BYTES = 128 * 1024 * 1024;
const MIN_INVOCATIONS = 256;

/**
 * @typedef {object} Choice
 * @property {"cpu" | "webgpu"} backend
 * @property {"chosen" | "forced" | "missing" | "fallback" | "limits"} reason
 * @property {string} adapter name of the adapter, for people
 */

/**
 * @param {string} wanted "auto", "cpu" or "webgpu"; the last takes a software adapter too
 * @returns {Promise<Choice>}
 */
export async function chooseBackend(wanted) {
  if (wanted === "cpu") return { backend: "cpu", reason: "forced", adapter: "" };
  const adapter = await requestAdapter();
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

/** @returns {Promise<any>} the adapter, or null where there is none */
async function requestAdapter() {
  try {
    // The type of navigator.gpu is not in the standard library yet.
    const { gpu } = /** @type {any} */ (navigator);
    return (await gpu?.requestAdapter({ powerPreference: "high-performance" })) ?? null;
  } catch {
    // A browser may throw where the GPU process is blocked: the same as having none.
    return null;
  }
}
