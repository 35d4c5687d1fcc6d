// Networks as ONNX graphs: those of the default model and of networks with random weights give the logits of their weights files.
// BENCH_PYTHON names an interpreter with the packages of requirements.txt (tests/tools.sh: need_bench_python).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

const PYTHON = process.env.BENCH_PYTHON;
const SMALL = ["dims=[8,16,30,48]", "decoder_dim=16"].flatMap((change) => ["--set", change]);
let folder;

before(() => (folder = mkdtempSync(join(tmpdir(), "raremap-export-test-"))));
after(() => rmSync(folder, { recursive: true }));

/** Exports a model into `name`; gives the exit status, what was said on stderr, and the report. */
function exported(name, ...args) {
  assert.ok(PYTHON, "BENCH_PYTHON is not set");
  const out = join(folder, name);
  const { status, stderr } = spawnSync(PYTHON, ["tests/bench/peer/export.py", ...args, "--out", out], { encoding: "utf8" });
  return { status, stderr, out, report: status === 0 ? JSON.parse(readFileSync(join(out, "export.json"), "utf8")) : null };
}

test("both graphs of the default model give its golden logits", () => {
  const { status, stderr, report } = exported("default", "web/models/default.raremap", "--tile", "128");
  assert.equal(status, 0, stderr);
  assert.ok(report.golden_difference.original < 1e-5 && report.golden_difference.folded < 1e-5, JSON.stringify(report.golden_difference));
  assert.deepEqual(report.tiles[128].shapes, { main: [1, 7, 128, 128], auxiliary: [1, 2, 128, 128] });
});

test("a network with random weights has any shape, and everything that a side of the bench reads", () => {
  const changes = ["attention_window_px=32", "detail_dim=4", "pixel_dim=3", "num_rare=1"].flatMap((change) => ["--set", change]);
  const { status, stderr, report, out } = exported("random", "--random", "5", ...SMALL, ...changes, "--tile", "64", "--tile", "96");
  assert.equal(status, 0, stderr);
  assert.deepEqual([report.architecture.detail_dim, report.architecture.pixel_dim], [4, 3]);
  const each = (tile) => [`folded-${tile}.onnx`, `input-${tile}.f32`, `logits-${tile}.f32`, `original-${tile}.onnx`, `scene-${tile}.tif`, `tile-${tile}.raremap`];
  assert.deepEqual(readdirSync(out).toSorted(), [...each(64), ...each(96), "export.json", "model.raremap"].toSorted());
  // 3 bands, and 7 + 1 logits for each pixel.
  assert.equal(readFileSync(join(out, "input-96.f32")).length, 4 * 3 * 96 * 96);
  assert.equal(readFileSync(join(out, "logits-96.f32")).length, 4 * 8 * 96 * 96);
});

test("folding saves multiply-adds, which are those of the paper's network", () => {
  const { report } = exported("b0", "--random", "1", "--set", "num_classes=150", "--set", "num_rare=0", "--tile", "512");
  const { original, folded } = report.tiles[512].counts;
  // arXiv:2105.15203, table 2: 8.4 G for B0 at 512 x 512, without the matrix products of attention.
  assert.ok(original.multiply_adds > 8e9 && original.multiply_adds < 9e9, `${original.multiply_adds}`);
  assert.ok(folded.multiply_adds < 0.6 * original.multiply_adds, `${folded.multiply_adds}`);
  assert.ok(folded.least_bytes < folded.layer_bytes);
});

test("what has no graph is refused", () => {
  const refused = [
    [["--random", "1", ...SMALL, "--set", "attention_window_px=64", "--tile", "96"], /multiple of 64 pixels/],
    [["--random", "1", "--set", "width=3"], /width=3 is not KEY=VALUE/],
    [["web/models/default.raremap", "--tile", "100"], /100 is not a multiple of 32/],
    [["web/models/default.raremap", "--set", "decoder_dim=1"], /--random is missing/],
  ];
  for (const [args, message] of refused) {
    const { status, stderr } = exported("refused", ...args);
    assert.notEqual(status, 0, args.join(" "));
    assert.match(stderr, message);
  }
});
