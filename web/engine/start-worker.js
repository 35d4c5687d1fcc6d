// @ts-check
// Starts the worker: from a bundle, from the files as they are, and on pages that enforce Trusted Types.

/** What a policy of Trusted Types makes of an address. @typedef {{toString(): string}} TrustedScriptUrl */
/** @typedef {{createScriptURL(url: string): TrustedScriptUrl}} Policy */

const OPTIONS = /** @type {const} */ ({ type: "module", name: "raremap" });

/** @type {Policy | undefined} */
let policy;

/**
 * What `new Worker` takes for an address: under Trusted Types, one that the policy `raremap` has seen. It lets the page's own scripts through.
 *
 * @param {string} url
 * @returns {string | URL}
 */
export function trusted(url) {
  /** @type {{createPolicy(name: string, rules: {createScriptURL(url: string): string}): Policy} | undefined} */
  const trustedTypes = Reflect.get(globalThis, "trustedTypes");
  if (!trustedTypes) return url;
  try {
    policy ??= trustedTypes.createPolicy("raremap", {
      createScriptURL(wanted) {
        const { origin, href } = new URL(wanted, location.href);
        if (origin !== location.origin) throw new TypeError(`the worker must be of this page's origin, not of ${origin}`);
        return href;
      },
    });
    // The DOM's types do not know that a trusted address is taken like a string.
    return /** @type {string} */ (/** @type {unknown} */ (policy.createScriptURL(url)));
  } catch {
    // The page allows no policy of this name. It can pass an address that one of its own has seen.
    return url;
  }
}

/**
 * The address of a module that lies beside another one, if they are served as they are; undefined in a bundle, which gives files other names.
 *
 * @param {string} url of the module that asks
 * @param {string} own the end of its path in this repository
 * @param {string} other the other module's in its place
 */
export function servedBeside(url, own, other) {
  const here = new URL(url);
  if (!/^https?:$/.test(here.protocol) || !here.pathname.endsWith(`/${own}`)) return undefined;
  here.pathname = here.pathname.slice(0, -own.length) + other;
  return here.href;
}

/**
 * @param {string | URL | TrustedScriptUrl} [workerUrl]
 * @returns {Worker}
 */
export function startWorker(workerUrl) {
  const isAddress = typeof workerUrl === "string" || workerUrl instanceof URL;
  if (workerUrl && !isAddress) return new Worker(/** @type {string} */ (/** @type {unknown} */ (workerUrl)), OPTIONS);
  const url = workerUrl ? String(workerUrl) : servedBeside(import.meta.url, "engine/start-worker.js", "worker/worker.js");
  if (url) return new Worker(trusted(url), OPTIONS);
  // Bundlers find the worker by this very expression.
  return new Worker(new URL("../worker/worker.js", import.meta.url), { type: "module", name: "raremap" });
}
