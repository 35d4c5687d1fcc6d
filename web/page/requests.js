// @ts-check
// The log of the page's requests: what it fetched, and from where.

import { byId, make } from "./dom.js";
import { listing, number, t } from "./text.js";

/** More than a page of its own and a scene read in ranges need. */
const MOST = 100_000;

/** @param {() => Promise<string[]>} ofWorker the addresses that the worker has fetched */
export function showRequestsOnDemand(ofWorker) {
  performance.setResourceTimingBufferSize(MOST);
  const details = /** @type {HTMLDetailsElement} */ (byId("requests"));
  details.addEventListener("toggle", () => void (details.open && show(ofWorker)));
}

/** @param {() => Promise<string[]>} ofWorker */
async function show(ofWorker) {
  const own = performance.getEntriesByType("resource").map(({ name }) => name);
  // Without a worker there is nothing that it fetched.
  const addresses = [location.href, ...own, ...(await ofWorker().catch(() => []))].filter((address) => address.startsWith("http"));
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const address of addresses) counts.set(address, (counts.get(address) ?? 0) + 1);
  const hosts = [...new Set(addresses.map((address) => new URL(address).host))];
  const values = { count: number(addresses.length), host: listing(hosts) };
  byId("requests-count").textContent = t(hosts.length === 1 && hosts[0] === location.host ? "requests" : "requestsElsewhere", values);
  const items = [...counts].map(([address, count]) => make("li", {}, count > 1 ? `${address} (${number(count)})` : address));
  byId("requests-list").replaceChildren(...items);
}
