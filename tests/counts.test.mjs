import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const SCRIPT = fileURLToPath(new URL("counts.awk", import.meta.url));
const counts = (log) => execFileSync("awk", ["-f", SCRIPT], { input: log, encoding: "utf8" }).trim();

const output = (name, result, ...lines) =>
  ["  stdout ───", "", "    running 1 test", ...lines.map((line) => `    ${line}`), `    test ${name} ... ${result}`, ""].join("\n");

test("nextest's summary is counted", () => {
  assert.equal(counts("     Summary [   0.064s] 7 tests run: 4 passed (1 slow), 2 failed, 1 timed out, 3 skipped\n"), "4 3 3");
});

test("a test that says it was skipped did not pass, however often it says so", () => {
  const log = [
    output("loud", "ok", "hello"),
    output("lacks", "ok", "skipped: x is not there", "skipped: y is not there"),
    output("quiet", "ok"),
    "     Summary [   0.064s] 3 tests run: 3 passed, 0 skipped",
  ].join("\n");
  assert.equal(counts(log), "2 0 1");
});

test("a test that fails after it said so has failed", () => {
  const log = [output("lacks", "FAILED", "skipped: x is not there"), output("quiet", "ok"), "     Summary [   0.1s] 2 tests run: 1 passed, 1 failed, 0 skipped"];
  assert.equal(counts(log.join("\n")), "1 1 0");
});

test("rustdoc's results and node's totals are added", () => {
  assert.equal(counts("test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured\ntest result: FAILED. 1 passed; 1 failed; 0 ignored\n"), "6 1 2");
  assert.equal(counts("# pass 3\n# fail 1\n# cancelled 1\nskipped: a test (needs a thing)\n"), "3 2 1");
});

test("pytest's last line is counted, framed or not", () => {
  assert.equal(counts("....s [100%]\n4 passed, 1 skipped, 2 warnings in 5.31s\n"), "4 0 1");
  assert.equal(counts("==== 2 failed, 10 passed, 1 error in 65.10s (0:01:05) ====\n"), "10 3 0");
});

test("a part of a stage that cannot run is one that was skipped", () => {
  assert.equal(counts("skipped: cuda (needs LLVM)\n"), "0 0 1");
});

test("a log without tests has none", () => {
  assert.equal(counts("   Compiling raremap-io v0.1.0\n"), "0 0 0");
});
