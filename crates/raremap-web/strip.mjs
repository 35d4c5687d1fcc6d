// A step after trunk's build: leaves out of the wasm modules what only a debugger reads (function names, producers).
//
// wasm-opt, which could do it too, is not used: when there was one module, -Os took 4 minutes on a build without link-time optimization, and 15.4 MB
// to 13.1 MB, but 2.17 MB to 2.37 MB after brotli; link-time optimization left 13.4 MB (2.15 MB).

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const CUSTOM = 0;
const DROPPED = /^(name|producers|\.debug.*)$/;

/** An unsigned LEB128 number and the offset after it. */
function unsigned(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}

for (const name of ["raremap-web", "raremap-web-gpu"]) {
  const path = join(process.env.TRUNK_STAGING_DIR, `web/wasm/${name}_bg.wasm`);
  const wasm = readFileSync(path);
  const kept = [wasm.subarray(0, 8)];
  for (let at = 8; at < wasm.length; ) {
    const [size, body] = unsigned(wasm, at + 1);
    const [nameLength, nameAt] = wasm[at] === CUSTOM ? unsigned(wasm, body) : [0, body];
    const sectionName = wasm.toString("utf8", nameAt, nameAt + nameLength);
    if (!DROPPED.test(sectionName)) kept.push(wasm.subarray(at, body + size));
    at = body + size;
  }
  writeFileSync(path, Buffer.concat(kept));
}
