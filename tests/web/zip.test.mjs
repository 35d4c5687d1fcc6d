// The archives that the page writes, as Python reads them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { crc32 as crcOfZlib } from "node:zlib";

import { crc32, zip } from "../../web/page/zip.js";

const CHECK = `
import json, sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
print(json.dumps({info.filename: [len(archive.read(info)), archive.read(info)[:5].decode("latin-1")] for info in archive.infolist()}))
`;

test("the checksum is zip's", () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) % 251);
  assert.equal(crc32(bytes), crcOfZlib(bytes));
});

test("an archive is read by others, with its folders, names and bytes", async (context) => {
  try {
    execFileSync("python3", ["--version"]);
  } catch {
    context.skip("python3 is not installed");
    return;
  }
  async function* files() {
    yield { path: "site/index.html", bytes: new TextEncoder().encode("hello, hello, hello") };
    yield { path: "site/हिन्दी.txt", bytes: new Uint8Array(100_000) };
    yield { path: "site/empty", bytes: new Uint8Array() };
  }
  const folder = mkdtempSync(join(tmpdir(), "raremap-zip-"));
  try {
    const path = join(folder, "a.zip");
    writeFileSync(path, Buffer.from(await (await zip(files())).arrayBuffer()));
    const found = JSON.parse(execFileSync("python3", ["-c", CHECK, path], { encoding: "utf8" }));
    assert.deepEqual(found, { "site/index.html": [19, "hello"], "site/हिन्दी.txt": [100_000, "\0\0\0\0\0"], "site/empty": [0, ""] });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
