// The server of the bench: several folders under one origin, which is isolated, because threads in wasm need that.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, resolve } from "node:path";

import { fileOf } from "../browser/serve.mjs";

const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };
const HEADERS = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cache-control": "no-cache",
};

/**
 * Serves folders, each under its name, and an empty page at `/`.
 *
 * @param {Record<string, string>} folders by name
 */
export async function serveFolders(folders) {
  const server = createServer((request, response) => {
    const name = request.url.split("/")[1];
    const file = Object.hasOwn(folders, name) ? fileOf(resolve(folders[name]), `/${name}/`, request.url) : null;
    const send = async () => {
      if (request.url === "/") return response.writeHead(200, { ...HEADERS, "content-type": "text/html" }).end("<!doctype html><title>bench</title>");
      const info = file && (await stat(file).catch(() => null));
      if (!info?.isFile()) return response.writeHead(404, HEADERS).end();
      const type = TYPES[extname(file)] ?? "application/octet-stream";
      response.writeHead(200, { ...HEADERS, "content-type": type, "content-length": info.size });
      return createReadStream(file).on("error", () => response.destroy()).pipe(response);
    };
    void send().catch(() => response.destroy());
  });
  await new Promise((done, failed) => server.once("error", failed).listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => new Promise((done) => (server.close(done), server.closeAllConnections())),
  };
}
