// A portal for the tests: pages of its own beside the built modules, under a path, with the strictest policy that raremap works with.

import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { serve } from "./serve.mjs";

/** No inline style, no evaluated script, nothing from elsewhere, and Trusted Types. */
export const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; require-trusted-types-for 'script'";

export const page = (head, body = "") =>
  `<!doctype html><html lang="en"><head><meta charset="utf-8" /><link rel="icon" href="raremap/icon.svg" /><title>Portal</title>
<meta http-equiv="Content-Security-Policy" content="${POLICY}" />${head}</head><body>${body}</body></html>`;

/** Serves `{path: text or bytes}` beside `raremap/`, which are the site's modules; the index page gives the policy of every answer. */
export async function portal(site, files) {
  const folder = mkdtempSync(join(tmpdir(), "raremap-portal-"));
  symlinkSync(realpathSync(join(site, "web")), join(folder, "raremap"));
  for (const [path, content] of Object.entries({ "index.html": page(""), ...files })) writeFileSync(join(folder, path), content);
  const served = await serve({ root: folder, prefix: "/portal/maps" });
  return {
    ...served,
    folder,
    close: async () => {
      await served.close();
      rmSync(folder, { recursive: true });
    },
  };
}
