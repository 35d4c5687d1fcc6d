// @ts-check
// Hears of a graphics card that is lost, and of errors on it: the runtime in wasm only logs them, and would go on with wrong numbers.

/**
 * The parts of WebGPU that are watched.
 *
 * @typedef {object} Device
 * @property {Promise<{reason?: string, message: string}>} lost
 * @property {(type: "uncapturederror", listener: (event: {error: {message: string}}) => void) => void} addEventListener
 *
 * @typedef {{GPUAdapter?: {prototype: {requestDevice(descriptor?: object): Promise<Device>}}}} WebGpu
 */

/**
 * Watches all devices that are asked for from now on.
 *
 * @param {(code: "device_lost" | "webgpu_failed", message: string) => void} onTrouble called when a device is lost, and for each error that nobody
 *   caught: nothing that the device computes counts any more
 * @param {WebGpu} [webgpu]
 */
export function watchDevices(onTrouble, webgpu = /** @type {WebGpu} */ (/** @type {unknown} */ (globalThis))) {
  const adapter = webgpu.GPUAdapter?.prototype;
  if (!adapter) return;
  const { requestDevice } = adapter;
  adapter.requestDevice = async function watched(descriptor) {
    const device = await requestDevice.call(this, descriptor);
    void device.lost.then(({ message }) => onTrouble("device_lost", message || "The graphics card is lost."));
    device.addEventListener("uncapturederror", ({ error }) => onTrouble("webgpu_failed", error.message));
    return device;
  };
}
