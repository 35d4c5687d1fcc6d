// Answers the requests of browser.mjs in a worker: `{id, method, params}` with `{id, result}` or `{id, error}`.

/** @param {Record<string, (params: any) => unknown>} methods */
export function answer(methods) {
  addEventListener("message", async ({ data: { id, method, params } }) => {
    try {
      postMessage({ id, result: await methods[method](params) });
    } catch (cause) {
      postMessage({ id, error: String(cause?.message ?? cause) });
    }
  });
  postMessage({ ready: true });
}
