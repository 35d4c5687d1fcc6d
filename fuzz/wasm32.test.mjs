// The damaged files of crates/raremap-tiff/tests/bounds/mutations.rs in wasm32, where a usize has 32 bits: every file of the
// seed corpus with bytes altered and cut short, and every past crash, through the entries of src/entries.rs.
//
//   cargo rustc --release --lib --crate-type cdylib --target wasm32-unknown-unknown     (in fuzz/)
//   node --test fuzz/wasm32.test.mjs
//
// WASM32_FILES=FOLDER adds the files of a folder, as they are and with some damage.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const MODULE = process.env.WASM32_MODULE ?? join(HERE, "target/wasm32-unknown-unknown/release/raremap_fuzz.wasm");
const ENTRIES = ["header", "directory", "codec", "windows"];
const MAX_SECS = 1;
/// What the browser's instance may grow to: the bound on a read, its results, the file and the module's own.
const MAX_MEMORY_BYTES = 128 << 20;

const compiled = new WebAssembly.Module(readFileSync(MODULE));
let instance, pointer, room;
const tally = { read: 0, refused: 0, slowest: 0, most: 0 };

function start(bytes) {
  instance = new WebAssembly.Instance(compiled, {}).exports;
  room = Math.max(bytes, 1 << 16);
  pointer = instance.allocate(room);
}

/** Runs an entry over bytes; `what` names them where it traps, takes too long, or holds too much. */
function run(entry, bytes, what) {
  if (!instance || bytes.length > room) start(bytes.length);
  let outcome, took;
  // What was only slow because others were running is measured again.
  for (let attempt = 0; attempt < 3; attempt++) {
    new Uint8Array(instance.memory.buffer, pointer, bytes.length).set(bytes);
    const began = performance.now();
    try {
      outcome = instance.run(ENTRIES.indexOf(entry), pointer, bytes.length);
    } catch (error) {
      instance = undefined;
      assert.fail(`${what()} through ${entry}: ${error.message}`);
    }
    took = (performance.now() - began) / 1000;
    if (took < MAX_SECS) break;
  }
  assert.ok(took < MAX_SECS, `${what()} through ${entry}: ${took.toFixed(2)} s`);
  assert.notEqual(outcome, 2, `${what()} through ${entry}: ${instance.held()} bytes held at once`);
  assert.ok(instance.memory.buffer.byteLength < MAX_MEMORY_BYTES + room, `${what()}: ${instance.memory.buffer.byteLength} bytes of memory`);
  tally[outcome ? "read" : "refused"]++;
  tally.slowest = Math.max(tally.slowest, took);
  tally.most = Math.max(tally.most, instance.held());
  return outcome === 1;
}

function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [[path, new Uint8Array(readFileSync(path))]];
  });
}

/** Some bytes altered: two values of each in the first half kilobyte, where directories are, one of every seventh after it. */
function* mutations(file) {
  for (let position = 0; position < file.length; position++) {
    const byte = file[position];
    if (position < 512) for (const value of [(byte + 1) & 0xff, byte ^ 0x80]) yield [position, value];
    else if (position % 7 === 0) yield [position, byte ^ (1 << position % 8)];
  }
}

function damage(entry, path, file) {
  const copy = file.slice();
  for (const [position, value] of mutations(file)) {
    if (value === file[position]) continue;
    copy[position] = value;
    run(entry, copy, () => `${path}, byte ${position} set to ${value}`);
    copy[position] = file[position];
  }
}

for (const entry of ENTRIES) {
  test(`seeds of ${entry}, as they are and with bytes altered, end in time and memory`, () => {
    const seeds = files(join(HERE, "seeds", entry));
    for (const [path, file] of seeds) {
      run(entry, file, () => path);
      damage(entry, path, file);
    }
    assert.ok(seeds.length > 0);
  });
}

test("files cut short end in time and memory", () => {
  for (const [path, file] of files(join(HERE, "seeds/windows"))) {
    for (let length = 0; length < file.length; length += 3) run("windows", file.subarray(0, length), () => `${path} cut to ${length}`);
  }
});

test("what once crashed or hung ends in every entry", () => {
  for (const [path, file] of files(join(HERE, "../crates/raremap-tiff/tests/regressions"))) {
    for (const entry of ENTRIES) run(entry, file, () => path);
  }
});

if (process.env.WASM32_FILES) {
  test("further files, as they are and with some damage, end in time and memory", () => {
    for (const [path, file] of files(process.env.WASM32_FILES)) {
      run("windows", file, () => path);
      if (file.length > 30_000) continue;
      for (let step = 1; step < 60; step++) {
        const length = Math.floor((file.length * step) / 60);
        run("windows", file.subarray(0, length), () => `${path} cut to ${length}`);
        const position = (step * 7919 + file.length * 31) % file.length;
        const copy = file.slice();
        copy[position] ^= 1 << step % 8;
        run("windows", copy, () => `${path}, bit ${step % 8} of byte ${position} altered`);
      }
    }
  });
}

test("enough was read and refused", () => {
  console.log(JSON.stringify(tally));
  assert.ok(tally.read > 20_000 && tally.refused > 20_000, JSON.stringify(tally));
});
