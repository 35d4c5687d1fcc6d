// Writes the reference of the package's API, docs/api.md, from the declarations that the package has.
//   node web/reference.mjs [--check]     after `npm ci` in tests/browser, which has TypeScript
// With --check it only says whether the file is what the types say.

import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const WEB = fileURLToPath(new URL(".", import.meta.url));
const ROOT = resolve(WEB, "..");
const PAGE = join(ROOT, "docs/api.md");
const TYPESCRIPT = join(ROOT, "tests/browser/node_modules/typescript");

/** What each entry point of the package gives, in the order in which it is read. */
const ENTRIES = [
  { entry: "raremap", about: "Sessions, runs and results, without a page. Its types can be imported, too: `import type { Areas } from \"raremap\"`.", names: ["createSession", "Session", "Run", "Result", "EngineError"], file: "api/index.d.ts" },
  { entry: "raremap/element", about: "Importing it registers `<rare-map>`. Attributes, events and parts: [embed.md](embed.md#the-element).", names: ["RareMap"], file: "element/index.d.ts" },
  { entry: "raremap/bridge", about: "Drives `<rare-map>` in a frame, from the page around it.", names: ["RareMapFrame", "serveElement"], file: "element/bridge.d.ts" },
];

/** Members that say how a class is made, not what it is for. */
const HIDDEN = /^(#private|then|catch|finally|constructor|attributeChangedCallback|connectedCallback|disconnectedCallback|observedAttributes)$/;

/** The declarations of the package in a folder of their own. @param {string} folder */
function declare(folder) {
  if (!existsSync(TYPESCRIPT)) throw new Error("TypeScript is missing: `npm ci` in tests/browser installs it");
  execFileSync(join(TYPESCRIPT, "../.bin/tsc"), ["-p", join(WEB, "tsconfig.package.json"), "--outDir", folder], { stdio: ["ignore", "inherit", "inherit"] });
  for (const part of ["api", "element", "engine", "view", "wasm"]) {
    for (const name of readdirSync(join(WEB, part))) {
      if (name.endsWith(".d.ts")) cpSync(join(WEB, part, name), join(folder, part, name));
    }
  }
  const compilerOptions = { target: "es2023", module: "es2022", moduleResolution: "bundler", lib: ["es2023", "esnext.disposable", "dom"], types: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["."] }));
}

/** A comment of JSDoc, taken apart. @param {any} node */
function commentOf(node) {
  const raw = node.jsDoc?.at(-1)?.getText() ?? "";
  const lines = raw.replace(/^\/\*\*|\*\/$/g, "").split("\n").map((line) => line.replace(/^\s*\*? ?/, "").trimEnd());
  const [about, ...tags] = lines.join("\n").trim().split(/\n?(?=@(?:param|returns|internal|override|type|template|implements|extends)\b)/);
  const sentence = (/** @type {string} */ text) => text.replace(/\s*\n\s*/g, " ").trim();
  /** @type {Map<string, string>} */
  const params = new Map();
  let returns = "";
  for (const tag of about.startsWith("@") ? [about, ...tags] : tags) {
    const text = sentence(withoutType(tag));
    const [, name, words = ""] = /^@param \[?([\w.]+)[^\]\s]*\]? ?(.*)$/.exec(text) ?? [];
    if (name && words) params.set(name, words);
    if (text.startsWith("@returns ")) returns = text.slice(9).trim();
  }
  return { about: about.startsWith("@") ? "" : sentence(about), params, returns, isInternal: /@internal\b/.test(raw) };
}

/** Leaves out the type in braces, which may hold braces. @param {string} tag */
function withoutType(tag) {
  const start = tag.indexOf("{");
  if (start < 0 || !/^@\w+\s*$/.test(tag.slice(0, start))) return tag;
  let depth = 0;
  for (let i = start; i < tag.length; i++) {
    depth += tag[i] === "{" ? 1 : tag[i] === "}" ? -1 : 0;
    if (depth === 0) return tag.slice(0, start) + tag.slice(i + 1).trimStart();
  }
  return tag;
}

/** A declaration without the words that are the same in all. @param {string} text */
const plain = (text) => text.replace(/\b(?:export|declare) /g, "").replace(/import\("[^"]+"\)\./g, "");

/** Collects declarations and what they refer to. */
class Declarations {
  /** @param {any} program @param {string} folder @param {any} SyntaxKind */
  constructor(program, folder, SyntaxKind) {
    this.program = program;
    this.folder = folder;
    this.kinds = SyntaxKind;
  }

  /** @param {string} file */
  source(file) {
    const source = this.program.getSourceFile(file);
    if (!source) throw new Error(`${file} is not among the declarations`);
    return source;
  }

  /**
   * The declaration behind a name, through aliases, imports and re-exports.
   *
   * @param {string} file
   * @param {string} name
   * @returns {{node: any, file: string} | undefined} nothing for a type of the language or the browser
   */
  find(file, name) {
    const target = (/** @type {string} */ path) => join(dirname(file), path.replace(/\.js$/, ".d.ts"));
    for (const node of this.source(file).statements) {
      const named = (node.importClause?.namedBindings ?? node.exportClause)?.elements?.find((it) => it.name.text === name);
      if (named) return this.find(target(node.moduleSpecifier.text), (named.propertyName ?? named.name).text);
      if (node.name?.text !== name) continue;
      const alias = /^import\("([^"]+)"\)\.(\w+)$/.exec(node.type?.getText() ?? "");
      return alias ? this.find(target(alias[1]), alias[2]) : { node, file };
    }
    return undefined;
  }

  /** Names of all types that a node refers to, with the file of each. @param {any} node @param {string} file */
  references(node, file) {
    /** @type {{name: string, file: string}[]} */
    const found = [];
    const walk = (/** @type {any} */ it) => {
      if (it.kind === this.kinds.ImportType) {
        const [, path, name] = /^import\("([^"]+)"\)\.(\w+)/.exec(it.getText()) ?? [];
        if (path) found.push({ name, file: join(dirname(file), path.replace(/\.js$/, ".d.ts")) });
      }
      if (it.kind === this.kinds.TypeReference || it.kind === this.kinds.ExpressionWithTypeArguments) {
        const name = (it.typeName ?? it.expression).getText();
        if (/^\w+$/.test(name)) found.push({ name, file });
      }
      it.forEachChild(walk);
    };
    walk(node);
    return found;
  }
}

/** @param {any} node a function or a member of a class @param {string} owner what it is called on */
function signatureOf(node, owner) {
  const name = node.name?.getText() ?? "";
  const isStatic = node.modifiers?.some((it) => it.getText() === "static");
  const called = isStatic ? `${owner}.${name}` : name;
  if (!node.parameters || /^(get|set) /.test(node.getText().replace(/^\/\*\*[^]*?\*\/\s*/, ""))) {
    return `${called}: ${plain(node.type?.getText() ?? "any")}`;
  }
  const { params } = commentOf(node);
  const written = node.parameters.map((it, i) => {
    // What is taken apart at once has the name that its comment gives it.
    const isPattern = /^[{[]/.test(it.name.getText());
    const given = isPattern ? ([...params.keys()].filter((key) => !key.includes("."))[i] ?? "options") : it.name.getText();
    const isOptional = Boolean(it.questionToken) || Boolean(it.initializer);
    return `${it.dotDotDotToken ? "..." : ""}${given}${isOptional ? "?" : ""}: ${plain(it.type?.getText() ?? "any")}`;
  });
  const types = node.typeParameters ? `<${node.typeParameters.map((it) => it.getText()).join(", ")}>` : "";
  return `${called}${types}(${written.join(", ")}): ${plain(node.type?.getText() ?? "void")}`;
}

/**
 * One thing that can be used: its signature, what it does, its parameters.
 *
 * @param {any} node
 * @param {string} owner
 */
function entryOf(node, owner) {
  const { about, params, returns } = commentOf(node);
  const lines = ["```ts", signatureOf(node, owner).replace(/\s*\n\s*/g, " "), "```", ""];
  if (about) lines.push(about, "");
  const told = [...params].map(([name, text]) => `- \`${name}\`: ${text}`);
  if (returns) told.push(`- Returns: ${returns}`);
  if (told.length > 0) lines.push(...told, "");
  return lines;
}

/** A type as its declaration, with short comments. @param {any} node */
function typeBlock(node) {
  const text = plain(node.getText())
    .replace(/\/\*\*\s*([^]*?)\s*\*\//g, (_, comment) => `// ${comment.replace(/\s*\n\s*\*\s?/g, " ").replace(/^\* /, "").trim()}`)
    .replace(/^( {4})+/gm, (spaces) => "  ".repeat(spaces.length / 4));
  return ["```ts", text, "```", ""];
}

/** The whole page. */
export async function reference() {
  const [{ API }, { SyntaxKind }] = await Promise.all(["dist/api/sync/api.js", "dist/ast/index.js"].map((path) => import(join(TYPESCRIPT, path))));
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "raremap-reference-")));
  const api = new API();
  try {
    declare(folder);
    const [project] = api.updateSnapshot({ openProjects: [join(folder, "tsconfig.json")] }).getProjects();
    return written(new Declarations(project.program, folder, SyntaxKind));
  } finally {
    api.close();
    rmSync(folder, { recursive: true });
  }
}

/** @param {Declarations} declarations */
function written(declarations) {
  /** Headings, by the declarations that they are of. @type {Map<any, string>} */
  const headings = new Map();
  /** What is yet to be written under a heading of its own. @type {{name: string, file: string}[]} */
  const wanted = [];
  /** Lines, and places where links to the types of a declaration go. @type {(string | (() => string[]))[]} */
  const lines = [
    "# API reference", "",
    "<!-- Made by web/reference.mjs from the types; not edited by hand. -->", "",
    "What the npm package gives, by entry point. [embed.md](embed.md) shows it at work, [errors.md](errors.md) explains the codes of errors.", "",
  ];
  /** Links to what a declaration refers to, once it is known what has a heading. @param {any} node @param {string} file */
  const links = (node, file) => {
    const references = declarations.references(node, file);
    wanted.push(...references);
    return () => {
      const found = references.flatMap(({ name, file: from }) => declarations.find(from, name)?.node ?? []).filter((it) => it !== node);
      const names = [...new Set(found.flatMap((it) => headings.get(it) ?? []))].toSorted();
      return names.length > 0 ? [names.map((name) => `[${name}](#${name.toLowerCase()})`).join(" · "), ""] : [];
    };
  };
  for (const { entry, about, names, file } of ENTRIES) {
    lines.push(`## \`${entry}\``, "", about, "");
    for (const name of names) {
      const found = declarations.find(join(declarations.folder, file), name);
      if (!found) throw new Error(`${entry} has no ${name}`);
      headings.set(found.node, name);
      lines.push(`### ${name}`, "");
      const { about: purpose } = commentOf(found.node);
      if (found.node.members && purpose) lines.push(purpose, "");
      for (const { node, file: from } of found.node.members ? membersOf(declarations, found) : [found]) {
        lines.push(...entryOf(node, name), links(node, from));
      }
    }
  }
  /** @type {Map<string, (string | (() => string[]))[]>} */
  const types = new Map();
  // What only comments speak of is written, too.
  wanted.push({ name: "RunEvent", file: join(declarations.folder, "api/run.d.ts") });
  for (let next = wanted.shift(); next; next = wanted.shift()) {
    const found = declarations.find(next.file, next.name);
    if (!found || headings.has(found.node)) continue;
    const name = found.node.name.text;
    headings.set(found.node, name);
    if (types.has(name)) throw new Error(`two types are called ${name}`);
    const { about } = commentOf(found.node);
    types.set(name, [`### ${name}`, "", ...(about ? [about, ""] : []), ...typeBlock(found.node), links(found.node, found.file)]);
  }
  const sorted = [...types].toSorted(([one], [other]) => (one < other ? -1 : 1)).flatMap(([, block]) => block);
  const all = [...lines, "## Types", "", ...sorted].flatMap((line) => (typeof line === "string" ? [line] : line()));
  return `${all.join("\n").trimEnd()}\n`;
}

/**
 * The members of a class, and those that it has from a class of the package, in their order. A getter and its setter are one.
 *
 * @param {Declarations} declarations
 * @param {{node: any, file: string}} of
 * @returns {{node: any, file: string}[]}
 */
function membersOf(declarations, { node, file }) {
  const own = node.members.filter((it) => it.name && !HIDDEN.test(it.name.getText()) && !it.name.getText().startsWith("[") && !commentOf(it).isInternal);
  const base = node.heritageClauses?.flatMap((it) => it.types.map((type) => type.expression.getText())) ?? [];
  const inherited = base.flatMap((name) => {
    const found = declarations.find(file, name);
    return found?.node.members ? membersOf(declarations, found) : [];
  });
  const all = [...inherited, ...own.map((it) => ({ node: it, file }))];
  return all.filter(({ node }, i) => all.findIndex((other) => other.node.name.getText() === node.name.getText()) === i);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = await reference();
  if (!process.argv.includes("--check")) writeFileSync(PAGE, page);
  else if (readFileSync(PAGE, "utf8") !== page) {
    console.error("docs/api.md is not what the types say: node web/reference.mjs writes it anew");
    process.exitCode = 1;
  }
}
