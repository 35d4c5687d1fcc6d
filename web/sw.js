// @ts-check
// The service worker: keeps one whole version of the site, so that it works without a network.
//
// A version is the list of its files with their digests. It is installed only when every file has arrived with the right digest; until
// then, and if that fails, the version before serves on. What a failed installation has saved is there for the next attempt.

/** Written by precache.mjs when the site is built: the files' paths from the site's root, with their digests. */
const SITE = /** @type {{version: string, files: Record<string, string>}} */ ({ version: "", files: {} });

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const ROOT = worker.registration.scope;
/** Sites under other paths of the same host have caches of their own. */
const CACHES = `raremap ${ROOT} `;
const CACHE = CACHES + SITE.version;

/**
 * What a file is cached under: the digest makes it the same file in every version.
 *
 * @param {string} path
 */
function keyOf(path) {
  const key = new URL(path, ROOT);
  key.search = SITE.files[path];
  return key.href;
}

/**
 * The browser compares the bytes with the digest, so neither an error page nor a file of another version gets in.
 *
 * @param {string} path
 */
async function download(path) {
  const url = new URL(path, ROOT);
  const integrity = SITE.files[path];
  // The page has just fetched most files. If what the browser's cache holds is of another version, the server is asked.
  const response = await fetch(url, { integrity }).catch(() => fetch(url, { cache: "reload", integrity }));
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  // A browser refuses a page that was redirected if a service worker hands it over.
  return response.redirected ? new Response(response.body, { headers: response.headers }) : response;
}

async function install() {
  const cache = await caches.open(CACHE);
  const save = async (/** @type {string} */ path) => {
    const key = keyOf(path);
    if (await cache.match(key, { ignoreVary: true })) return;
    // From any version that has it.
    await cache.put(key, (await caches.match(key, { ignoreVary: true })) ?? (await download(path)));
  };
  await Promise.all(Object.keys(SITE.files).map(save));
}

/** @param {unknown} cause */
async function tellFailure(cause) {
  const code = cause instanceof DOMException && cause.name === "QuotaExceededError" ? "storage_full" : "offline_incomplete";
  const pages = await worker.clients.matchAll({ includeUncontrolled: true, type: "window" });
  for (const page of pages) page.postMessage({ offlineFailed: code });
}

async function activate() {
  const names = await caches.keys();
  await Promise.all(names.map((name) => name.startsWith(CACHES) && name !== CACHE && caches.delete(name)));
  await worker.clients.claim();
}

/**
 * A part of a cached file, as a server answers a request with a Range header.
 *
 * @param {Response} whole
 * @param {string} range
 */
async function partOf(whole, range) {
  const bytes = await whole.blob();
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? ["", "", ""];
  const headers = new Headers(whole.headers);
  headers.delete("content-encoding");
  if (from + to === "") return new Response(bytes, { headers });
  const first = from === "" ? Math.max(0, bytes.size - Number(to)) : Number(from);
  const last = from === "" || to === "" ? bytes.size - 1 : Math.min(Number(to), bytes.size - 1);
  if (first > last) return new Response(null, { status: 416, headers: { "content-range": `bytes */${bytes.size}` } });
  headers.set("content-range", `bytes ${first}-${last}/${bytes.size}`);
  headers.set("content-length", String(last - first + 1));
  return new Response(bytes.slice(first, last + 1), { status: 206, headers });
}

/**
 * @param {Request} request
 * @param {string} path
 */
async function answer(request, path) {
  const cache = await caches.open(CACHE);
  const whole = await cache.match(keyOf(path), { ignoreVary: true });
  // The browser may have removed it to make room.
  if (!whole) return fetch(request);
  const range = request.headers.get("range");
  return range === null ? whole : partOf(whole, range);
}

worker.addEventListener("install", (event) => {
  event.waitUntil(
    install().catch(async (cause) => {
      await tellFailure(cause);
      throw cause;
    }),
  );
});

worker.addEventListener("activate", (event) => event.waitUntil(activate()));

/** The path in the site that an address names, or nothing if its escapes are not UTF-8. @param {string} address */
function pathOf(address) {
  try {
    return decodeURI(address.slice(ROOT.length)).replace(/^(index\.html)?$/, "./");
  } catch {
    return "";
  }
}

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const address = origin + pathname;
  if (request.method !== "GET" || !address.startsWith(ROOT)) return;
  const path = pathOf(address);
  if (Object.hasOwn(SITE.files, path)) event.respondWith(answer(request, path));
});

worker.addEventListener("message", ({ data }) => {
  if (data === "skipWaiting") void worker.skipWaiting();
});
