import assert from "node:assert/strict";
import { test } from "node:test";

import { stableTypes } from "../../crates/raremap-web/types.mjs";

const AREA = `/**
 * An area.
 */
export interface Area {
    /**
     * Pixels.
     */
    pixels: number;
}`;
const KIND = 'export type Kind = "mask" | "saliency";';
const OUTPUT = (/** @type {string} */ internal) => `export interface InitOutput {
    readonly memory: WebAssembly.Memory;
    readonly session_areas: (a: number, b: any) => [number, number, number];
    readonly ${internal}: (a: number) => void;
    readonly __wasm_call_ctors: () => void;
}`;
const INIT = "export default function __wbg_init (module_or_path?: InitInput): Promise<InitOutput>;";

const file = (/** @type {string[]} */ ...parts) => `/* tslint:disable */\n/* eslint-disable */\n\n${parts.join("\n\n")}\n`;

test("declarations do not depend on the order and the internal names of a build", () => {
  const one = stableTypes(file(AREA, KIND, OUTPUT("closure__h0ad27f1"), INIT));
  const other = stableTypes(file(KIND, OUTPUT("closure__h8ef6c1b"), INIT, AREA));
  assert.equal(one, other);
  assert.ok(one.includes(AREA));
  assert.ok(one.includes(KIND));
  assert.match(one, /readonly memory: [^]*readonly __wasm_call_ctors: /);
  assert.doesNotMatch(one, /session_areas|closure/);
});

test("a changed type changes the declarations", () => {
  assert.notEqual(stableTypes(file(KIND)), stableTypes(file(KIND.replace("mask", "masks"))));
});

test("what cannot be told apart is refused", () => {
  assert.throws(() => stableTypes(file("export interface Open {\n    a: number;")), /without an end/);
});
