// What is heard of a graphics card, without one.

import assert from "node:assert/strict";
import { test } from "node:test";

import { watchDevices } from "../../web/worker/devices.js";

/** An adapter that gives one device, and what can be done to that. */
function fakeGpu() {
  let lose, fail;
  const device = {
    lost: new Promise((resolve) => (lose = resolve)),
    addEventListener(type, listener) {
      assert.equal(type, "uncapturederror");
      fail = (message) => listener({ error: { message } });
    },
  };
  class GPUAdapter {
    asked = [];
    async requestDevice(descriptor) {
      this.asked.push(descriptor);
      return device;
    }
  }
  return { GPUAdapter, device, lose: (info) => lose(info), fail: (message) => fail(message) };
}

test("a lost device and errors that nobody caught are told, and the device is the adapter's own", async () => {
  const gpu = fakeGpu();
  const heard = [];
  watchDevices((...trouble) => heard.push(trouble), gpu);
  const adapter = new gpu.GPUAdapter();
  const descriptor = { requiredLimits: {} };
  assert.equal(await adapter.requestDevice(descriptor), gpu.device);
  assert.deepEqual(adapter.asked, [descriptor]);
  assert.deepEqual(heard, []);
  gpu.fail("out of memory");
  gpu.lose({ reason: "unknown", message: "" });
  await new Promise((resolve) => setTimeout(resolve));
  assert.deepEqual(heard, [["webgpu_failed", "out of memory"], ["device_lost", "The graphics card is lost."]]);
});

test("a browser without WebGPU is left alone", () => {
  watchDevices(() => assert.fail("nothing to tell"), {});
});
