// Cards of weights files: the default model's, and files that are none.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";

import { describe, readCard } from "../../web/page/weights-file.js";

const MODEL = readFileSync("web/models/default.raremap");

/** A weights file with this header, and no tensors unless some are given. */
function file(/** @type {unknown} */ header, tensors = Buffer.alloc(0)) {
  const bytes = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return new Blob([length, bytes, tensors]);
}

const refused = (/** @type {Blob | URL} */ source, /** @type {string} */ code) => assert.rejects(readCard(source), { code });

/** Answers every request by `answer`, and notes what was asked for. */
async function serving(answer, steps) {
  const ranges = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answer(request, response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  try {
    await steps(new URL(`http://127.0.0.1:${server.address().port}/own.raremap`), ranges);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("the default model's card says what it needs and how good it is", async () => {
  const card = await readCard(new Blob([MODEL]));
  assert.equal(card.name, "raremap-open");
  // Derived bands are computed, so nobody has to have them.
  assert.deepEqual(card.bands, ["green", "red", "nir"]);
  assert.deepEqual(card.rareClasses, ["water", "wetland"]);
  assert.deepEqual(card.resolutionM, [5, 36]);
  assert.equal(card.sizeBytes, MODEL.length);
  const wetland = card.figures.classes.find(({ name }) => name === "wetland");
  assert.ok(wetland && wetland.precision > 0 && wetland.precision < 0.5, JSON.stringify(wetland));
  assert.ok(wetland.precisionInterval[0] < wetland.precision && wetland.precision < wetland.precisionInterval[1]);
  assert.equal(card.figures.threshold, 0.5);
});

test("only the first bytes of a file on a server are asked for", () =>
  serving(
    (request, response) => {
      const last = Number(/-(\d+)$/.exec(request.headers.range)[1]);
      response.writeHead(206, { "content-range": `bytes 0-${last}/${MODEL.length}` }).end(MODEL.subarray(0, last + 1));
    },
    async (url, ranges) => {
      const card = await readCard(url);
      assert.equal(card.sizeBytes, MODEL.length);
      assert.deepEqual(ranges, ["bytes=0-131071"]);
    },
  ));

test("a server without ranges is not asked for the rest", async () => {
  let sent = 0;
  await serving(
    async (_, response) => {
      response.writeHead(200, { "content-length": MODEL.length * 100 });
      response.write(MODEL);
      sent += MODEL.length;
      const more = setInterval(() => (response.write(MODEL), (sent += MODEL.length)), 20);
      response.on("close", () => clearInterval(more));
    },
    async (url) => {
      assert.equal((await readCard(url)).name, "raremap-open");
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.ok(sent < MODEL.length * 20, `${sent} bytes were sent`);
    },
  );
});

test("a file that is no weights file is refused by its first bytes", async () => {
  await refused(new Blob(["short"]), "model_truncated");
  await refused(new Blob(["This is a text, and no weights file."]), "model_malformed");
  await refused(file("no JSON"), "model_malformed");
  await refused(file({ __metadata__: {} }), "model_malformed");
  await refused(file({ __metadata__: { format: "raremap/1", card: "{" } }), "model_malformed");
  await refused(file({ __metadata__: { format: "raremap/9", card: "{}" } }), "model_unsupported");
  await refused(new Blob([MODEL.subarray(0, 1000)]), "model_truncated");
  await refused(new Blob([MODEL.subarray(0, MODEL.length - 1)]), "model_truncated");
  await serving((_, response) => response.writeHead(404).end(), (url) => refused(url, "model_fetch"));
});

test("whatever a card holds, what is shown of it is text and numbers of bounded size", () => {
  for (const card of [null, 1, "x", [], {}, { properties: null }, { properties: { "mlm:input": 3, "mlm:output": [null], gsd: "x" } }]) {
    assert.deepEqual(describe(card).figures, { classes: [], threshold: null });
  }
  const classes = [null, 5, { name: {} }, { name: "n".repeat(1e6), color_hint: "red;}" }];
  const shown = describe({
    properties: {
      "mlm:name": ["a"],
      "mlm:output": [{ "classification:classes": classes }],
      "raremap:metrics": { val: { shipped: { classes: [{ name: "a", iou: "0.5", precision: 7, recall: 0.5 }] } } },
    },
  });
  assert.equal(shown.name, "");
  assert.deepEqual(shown.classes.map(({ name }) => name.length), [0, 0, 0, 2000]);
  assert.equal(shown.classes[3].color, "");
  assert.deepEqual(shown.figures.classes, [{ name: "a", iou: null, precision: null, recall: 0.5, precisionInterval: null }]);
});
