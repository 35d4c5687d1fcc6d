// The wasm modules of the page.

const SESSION = "raremap-web";
const GPU = "raremap-web-gpu";

export const MODULES = [SESSION, GPU];

/** Those that a backend needs: the session's, then the one that computes, if that is another. @param {"cpu" | "webgpu"} backend */
export const modulesFor = (backend) => (backend === "webgpu" ? MODULES : [SESSION]);

/** Where a worker finds them. @param {{address(path: string): string}} host @param {"cpu" | "webgpu"} backend */
export function modulesOn(host, backend) {
  const address = (file) => host.address(`site/web/wasm/${file}`);
  return modulesFor(backend).map((name) => ({ glue: address(`${name}.js`), wasm: address(`${name}_bg.wasm`) }));
}
