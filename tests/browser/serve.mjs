// A static file server for ./run and the browser tests: what any static host does, and nothing more.
//   node tests/browser/serve.mjs [--root dist] [--port 8080] [--prefix /any/path]

import { createReadStream, readFileSync, realpathSync } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".tif": "image/tiff",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};

/** The first and last byte that a Range header asks for; null for the whole file, undefined where it cannot be satisfied. */
export function byteRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || match[1] + match[2] === "") return null;
  const suffix = match[1] === "";
  const first = suffix ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const last = suffix || match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1);
  return first <= last ? [first, last] : undefined;
}

/** The file under `root` that an address names; null for an address outside it. */
export function fileOf(root, prefix, address) {
  let path;
  try {
    path = decodeURIComponent(new URL(address, "http://localhost").pathname);
  } catch {
    return null;
  }
  if (!path.startsWith(prefix) || path.includes("\0")) return null;
  const file = resolve(root, `./${path.slice(prefix.length)}`);
  if (file !== root && !file.startsWith(root + sep)) return null;
  return path.endsWith("/") ? resolve(file, "index.html") : file;
}

/**
 * The policy that the page's meta element states, to be sent as a header too: a worker obeys the header of its own response alone.
 * Null where the folder has no such page.
 */
export function policyOf(root) {
  try {
    const page = readFileSync(resolve(root, "index.html"), "utf8");
    return /http-equiv="Content-Security-Policy"\s+content="([^"]*)"/.exec(page)?.[1] ?? null;
  } catch {
    return null;
  }
}

async function answer(root, prefix, policy, request, response) {
  const fail = (status) => response.writeHead(status, { "content-type": "text/plain" }).end(`${status}\n`);
  if (request.method !== "GET" && request.method !== "HEAD") return fail(405);
  const file = fileOf(root, prefix, request.url);
  const info = file && (await stat(file).catch(() => null));
  if (!info?.isFile()) return fail(404);
  const range = byteRange(request.headers.range, info.size);
  if (range === undefined) return fail(416);
  const [first, last] = range ?? [0, info.size - 1];
  response.writeHead(range ? 206 : 200, {
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "content-length": last - first + 1,
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "x-content-type-options": "nosniff",
    ...(policy && { "content-security-policy": policy }),
    ...(range && { "content-range": `bytes ${first}-${last}/${info.size}` }),
  });
  if (request.method === "HEAD" || info.size === 0) return response.end();
  createReadStream(file, { start: first, end: last }).on("error", () => response.destroy()).pipe(response);
}

/** Serves `root` on 127.0.0.1 under `prefix`; port 0 takes a free one. */
export async function serve({ root = "dist", port = 0, prefix = "/" } = {}) {
  const folder = realpathSync(root);
  const base = `/${prefix}/`.replace(/\/+/g, "/");
  const policy = policyOf(folder);
  const server = createServer((request, response) => void answer(folder, base, policy, request, response).catch(() => response.destroy()));
  await new Promise((done, failed) => server.once("error", failed).listen(port, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}${base}`,
    close: () => new Promise((done) => (server.close(done), server.closeAllConnections())),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: { root: { type: "string" }, port: { type: "string", default: "8080" }, prefix: { type: "string" } },
  });
  try {
    const { url } = await serve({ ...values, port: Number(values.port) });
    console.log(`raremap is served on ${url} (Ctrl-C ends it)`);
  } catch (error) {
    console.error(error.code === "EADDRINUSE" ? `port ${values.port} is taken; choose another: PORT=8081 ./run` : error.message);
    process.exitCode = 1;
  }
}
