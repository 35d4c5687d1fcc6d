import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { byteRange, fileOf, policyOf, serve } from "./serve.mjs";

/** A request as it stands: `fetch` would resolve the dots of an address before it is sent. */
const get = (url, path, headers = {}) =>
  new Promise((done, failed) => {
    const { hostname, port } = new URL(url);
    request({ hostname, port, path, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => done({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() }));
    }).on("error", failed).end();
  });

test("ranges are those of RFC 9110, clipped to the file", () => {
  assert.deepEqual(byteRange("bytes=0-3", 10), [0, 3]);
  assert.deepEqual(byteRange("bytes=4-", 10), [4, 9]);
  assert.deepEqual(byteRange("bytes=-3", 10), [7, 9]);
  assert.deepEqual(byteRange("bytes=4-400", 10), [4, 9]);
  assert.equal(byteRange("bytes=10-", 10), undefined);
  assert.equal(byteRange("bytes=0-1,4-5", 10), null);
  assert.equal(byteRange(undefined, 10), null);
});

test("an address outside the folder names no file", () => {
  for (const address of ["/../secret", "/%2e%2e/secret", "/a/..%2f..%2fsecret", "/%00", "/%"]) {
    const file = fileOf("/site", "/", address);
    assert.ok(file === null || file.startsWith("/site/"), `${address} -> ${file}`);
  }
  assert.equal(fileOf("/site", "/maps/", "/other/index.html"), null);
});

test("files are served under a prefix, with type and range", async () => {
  const root = mkdtempSync(join(tmpdir(), "serve-"));
  writeFileSync(join(root, "index.html"), "<p>page");
  writeFileSync(join(root, "a.wasm"), "0123456789");
  const { url, close } = await serve({ root, prefix: "/maps" });
  try {
    assert.equal((await get(url, "/maps/")).text, "<p>page");
    assert.equal((await get(url, "/")).status, 404);
    assert.equal((await get(url, "/maps/../../../../etc/passwd")).status, 404);
    const part = await get(url, "/maps/a.wasm", { range: "bytes=2-4" });
    assert.deepEqual([part.status, part.text, part.headers["content-range"]], [206, "234", "bytes 2-4/10"]);
    assert.equal(part.headers["content-type"], "application/wasm");
    assert.equal((await get(url, "/maps/a.wasm", { range: "bytes=99-" })).status, 416);
  } finally {
    await close();
  }
});

test("the page's own policy goes with every file, for the worker obeys its response's alone", async () => {
  const root = mkdtempSync(join(tmpdir(), "serve-"));
  writeFileSync(join(root, "worker.js"), "");
  const policy = "default-src 'none'; connect-src 'self'";
  writeFileSync(join(root, "index.html"), `<meta\n  http-equiv="Content-Security-Policy"\n  content="${policy}"\n/>`);
  const { url, close } = await serve({ root });
  try {
    assert.equal((await get(url, "/worker.js")).headers["content-security-policy"], policy);
  } finally {
    await close();
  }
});

test("the product page has a policy that the server finds", () => {
  const policy = policyOf(new URL("../..", import.meta.url).pathname);
  for (const rule of ["default-src 'none'", "connect-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"]) {
    assert.ok(policy.includes(rule), policy);
  }
});
