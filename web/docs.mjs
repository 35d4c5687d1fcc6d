// Makes pages of docs/*.md and README.md, which are served beside the built page. A step after trunk's build; by hand:
//   node web/docs.mjs dist
// rustdoc renders them: it comes with the compiler that the page needs anyway.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const HEAD = `<link rel="icon" type="image/svg+xml" href="../web/icon.svg">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'self'; img-src 'self'">`;
const TOP = `<nav><a href="../">raremap</a> · <a href="index.html">Documentation</a></nav>\n<main>`;

/** The pages by their names, with their titles. */
const TITLES = new Map(["README", ...namesIn("docs")].map((name) => [name, /^# (.*)/.exec(readFileSync(sourceOf(name), "utf8"))?.[1].replaceAll("`", "") ?? name]));

/** @param {string} folder */
function namesIn(folder) {
  return readdirSync(join(ROOT, folder)).flatMap((file) => (file.endsWith(".md") ? [file.slice(0, -3)] : []));
}

/** @param {string} name of a page */
function sourceOf(name) {
  return join(ROOT, name === "README" ? "" : "docs", `${name}.md`);
}

/** @param {string} name of a page */
const fileOf = (name) => `${name === "README" ? "index" : name}.html`;

/**
 * What is linked from a page: another page, or the text alone if the site does not have it, such as a file of the repository.
 *
 * @param {string} whole
 * @param {string} address
 * @param {string} text
 */
function link(whole, address, text) {
  if (/^(https?:|#)/.test(address)) return whole;
  const [, folder, name, anchor = ""] = /^(.*?)([\w-]+)\.md(#.*)?$/.exec(address) ?? [];
  const title = ["", "docs/", "../"].includes(folder) && TITLES.get(name);
  if (!title || (folder === "../" && name !== "README")) return text;
  // Where the text is a file's name, the page's title says more.
  return `<a href="${fileOf(name)}${anchor}">${text.endsWith(".md") ? title : text}</a>`;
}

const LIST = `<h2 id="pages">All pages</h2>
<ul>${[...TITLES].map(([name, title]) => `<li><a href="${fileOf(name)}">${title}</a></li>`).join("\n")}</ul>
`;

/** @param {string} site folder of a built site */
export function writeDocs(site) {
  const folder = join(site, "docs");
  mkdirSync(folder, { recursive: true });
  const temporary = mkdtempSync(join(tmpdir(), "raremap-docs-"));
  try {
    const head = join(temporary, "head.html");
    writeFileSync(head, HEAD);
    for (const name of TITLES.keys()) {
      const options = ["--output", temporary, "--markdown-no-toc", "--markdown-css", "../web/page/docs.css", "--html-in-header", head];
      execFileSync("rustdoc", [sourceOf(name), ...options], { cwd: ROOT });
      const text = readFileSync(join(temporary, `${name}.html`), "utf8")
        .replace(/<a href="([^"]*)">(.*?)<\/a>/gs, link)
        // What may be wider than the page scrolls by itself, by the keyboard too.
        .replaceAll("<pre ", '<pre tabindex="0" ')
        .replaceAll("<div><table>", '<div class="wide" tabindex="0"><table>')
        .replaceAll("<th></th>", "<td></td>")
        // The picture shows the page that the reader comes from.
        .replace(/<img src="docs\/page\.png"[^>]*>/, "")
        .replace(/<!--\[if.*?endif\]-->/s, TOP)
        .replace(/(?=<\/body>)/, `${name === "README" ? LIST : ""}</main>`);
      writeFileSync(join(folder, fileOf(name)), text);
    }
    // The pictures of a page are in a folder of its name.
    const pictures = readdirSync(join(ROOT, "docs"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const { name } of pictures) cpSync(join(ROOT, "docs", name), join(folder, name), { recursive: true });
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const site = process.argv[2] ?? process.env.TRUNK_STAGING_DIR;
  if (!site) throw new Error("usage: node web/docs.mjs SITE");
  writeDocs(site);
}
