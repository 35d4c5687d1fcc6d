// Checks that the modules of a crate form no import cycle. The sources are read, nothing is compiled: a module imports another where
// it names it by a path (`crate::a::B`, `super::b`, `child::c`), and a name that is only passed on (`pub use child::Name`) stands for the
// module it comes from. Test code does not count. A module and those within it may use each other: a folder is one thing to its
// neighbours. The rule is for neighbours, at every level: no two modules of one parent import each other, over whatever way.
// Run alone (`node tests/module-cycles.mjs`) it prints each cycle and exits 1 if there is one.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const TOKEN = new RegExp(
  [
    String.raw`(?<skip>\s+|//[^\n]*|b?"(?:\\[\s\S]|[^"\\])*"|b?'(?:\\[^\n]+?|[^'\\\n])'|'[A-Za-z_]\w*)`,
    String.raw`(?<raw>b?r#*")`,
    String.raw`(?<block>/\*)`,
    String.raw`(?<word>(?:r#)?[A-Za-z_]\w*)`,
    String.raw`(?<mark>::|[\s\S])`,
  ].join("|"),
  "y",
);

/** The words and marks of a source text with their lines, without comments, strings and lifetimes. */
export function tokens(text) {
  const found = [];
  let line = 1;
  for (let at = 0; at < text.length; ) {
    TOKEN.lastIndex = at;
    const { 0: whole, groups } = TOKEN.exec(text);
    let end = at + whole.length;
    if (groups.raw) {
      const close = `"${"#".repeat(whole.length - whole.indexOf("r") - 2)}`;
      const closes = text.indexOf(close, end);
      end = closes < 0 ? text.length : closes + close.length;
    } else if (groups.block) {
      for (let depth = 1; depth > 0 && end < text.length; end += 1) {
        if (text.startsWith("/*", end)) depth += 1;
        else if (text.startsWith("*/", end)) depth -= 1;
        else continue;
        end += 1;
      }
    } else if (!groups.skip) {
      found.push({ text: groups.word?.replace(/^r#/, "") ?? groups.mark, isWord: groups.word !== undefined, line });
    }
    line += text.slice(at, end).split("\n").length - 1;
    at = end;
  }
  return found;
}

const CLOSE = { "{": "}", "(": ")", "[": "]" };

/** The index after the bracket that closes the one at `at`. */
function afterGroup(list, at) {
  const open = list[at].text;
  let depth = 0;
  for (let i = at; i < list.length; i += 1) {
    if (list[i].text === open) depth += 1;
    else if (list[i].text === CLOSE[open]) depth -= 1;
    if (depth === 0) return i + 1;
  }
  return list.length;
}

/** The index after the item at `at`: after its `;`, or after its block. */
function afterItem(list, at) {
  for (let i = at; i < list.length; ) {
    const { text } = list[i];
    if (text === ";") return i + 1;
    if (text === "{") return afterGroup(list, i);
    if (text === "}") return i;
    i = text === "(" || text === "[" ? afterGroup(list, i) : i + 1;
  }
  return list.length;
}

const isTest = (attribute) => {
  const words = attribute.map((token) => token.text).join("");
  return words === "test" || /^cfg\((all\()?test\b/.test(words);
};

/** Without the items that only a test build has. */
export function withoutTests(list) {
  const kept = [];
  for (let i = 0; i < list.length; ) {
    if (list[i].text !== "#" || list[i + 1]?.text !== "[") {
      kept.push(list[i]);
      i += 1;
      continue;
    }
    const end = afterGroup(list, i + 1);
    if (isTest(list.slice(i + 2, end - 1))) {
      i = end;
      while (list[i]?.text === "#" && list[i + 1]?.text === "[") i = afterGroup(list, i + 1);
      i = afterItem(list, i);
    } else {
      kept.push(...list.slice(i, end));
      i = end;
    }
  }
  return kept;
}

/** The paths of a `use` tree from `at`, each with the name it is known by (`*` for all), and the index after it. */
function useTree(list, at, prefix, found) {
  const path = [...prefix];
  let i = at;
  for (;;) {
    const token = list[i];
    if (!token) return i;
    if (token.text === "{") {
      i += 1;
      while (list[i] && list[i].text !== "}") {
        i = useTree(list, i, path, found);
        if (list[i]?.text === ",") i += 1;
      }
      return i + 1;
    }
    if (token.text === "*") {
      found.push({ path, name: "*", line: token.line });
      return i + 1;
    }
    if (token.isWord) {
      path.push(token.text);
      i += 1;
    }
    if (list[i]?.text === "::") {
      i += 1;
      continue;
    }
    if (path.at(-1) === "self") path.pop();
    let name = path.at(-1);
    if (list[i]?.text === "as") {
      name = list[i + 1].text;
      i += 2;
    }
    found.push({ path, name, line: token.line });
    return i;
  }
}

const ITEM = new Set(["fn", "struct", "enum", "union", "trait", "type", "const", "static"]);

/**
 * What a module's text says: the modules it declares, the names it defines, what it imports, and the paths it spells.
 *
 * @returns {{children: {name: string, path?: string, body?: object[]}[], names: Set<string>, uses: object[], paths: object[]}}
 */
export function moduleOf(list) {
  const found = { children: [], names: new Set(), uses: [], paths: [] };
  let depth = 0;
  let isPublic = false;
  for (let i = 0; i < list.length; ) {
    const { text, isWord, line } = list[i];
    const next = list[i + 1];
    if (text === "#" && next?.text === "[") {
      i = afterGroup(list, i + 1);
    } else if (text === "mod" && isWord && next?.isWord && ["{", ";"].includes(list[i + 2]?.text)) {
      const end = list[i + 2].text === ";" ? i + 3 : afterGroup(list, i + 2);
      const body = list[i + 2].text === ";" ? undefined : list.slice(i + 3, end - 1);
      found.children.push({ name: next.text, body });
      i = end;
    } else if (text === "use" && isWord) {
      const tree = [];
      i = useTree(list, list[i + 1]?.text === "::" ? i + 2 : i + 1, [], tree);
      if (list[i]?.text === ";") i += 1;
      found.uses.push(...tree.map((use) => ({ ...use, isPublic })));
    } else if (text === "pub" && isWord) {
      isPublic = true;
      i = next?.text === "(" ? afterGroup(list, i + 1) : i + 1;
      continue;
    } else if (isWord && next?.text === "::" && list[i - 1]?.text !== "::") {
      const path = [text];
      i += 1;
      while (list[i]?.text === "::" && list[i + 1]?.isWord) {
        path.push(list[i + 1].text);
        i += 2;
      }
      found.paths.push({ path, line });
      if (list[i]?.text === "::") i += 1;
    } else {
      if (depth === 0 && ITEM.has(text) && isWord && next?.isWord) found.names.add(next.text);
      if (depth === 0 && text === "macro_rules" && next?.text === "!") found.names.add(list[i + 2]?.text);
      if (text === "{") depth += 1;
      if (text === "}") depth -= 1;
      i += 1;
    }
    isPublic = false;
  }
  return found;
}

/**
 * The modules of a crate by path ("" is the root, else `a::b`).
 *
 * @param {string} rootFile
 * @param {(file: string) => string | undefined} read the text of a file, or undefined where there is none
 */
export function readCrate(rootFile, read) {
  const modules = new Map();
  const add = (path, file, folder, list) => {
    const module = { path, file, ...moduleOf(list) };
    modules.set(path, module);
    for (const { name, body } of module.children) {
      const inner = path ? `${path}::${name}` : name;
      if (body) {
        add(inner, file, join(folder, name), body);
        continue;
      }
      const files = [join(folder, `${name}.rs`), join(folder, name, "mod.rs")];
      const childFile = files.find((candidate) => read(candidate) !== undefined);
      if (!childFile) throw new Error(`${file} declares mod ${name}, and neither ${files.join(" nor ")} is there`);
      add(inner, childFile, join(folder, name), withoutTests(tokens(read(childFile))));
    }
  };
  const text = read(rootFile);
  if (text === undefined) throw new Error(`${rootFile} is not there`);
  add("", rootFile, dirname(rootFile), withoutTests(tokens(text)));
  return modules;
}

const parentOf = (path) => path.split("::").slice(0, -1).join("::");
const isWithin = (path, ancestor) => ancestor === "" || path === ancestor || path.startsWith(`${ancestor}::`);

/** The module where `name` of the module `path` comes from; undefined where it is not of this crate. */
function origin(modules, path, name, seen = new Set()) {
  const key = `${path} ${name}`;
  if (seen.has(key)) return undefined;
  seen.add(key);
  const module = modules.get(path);
  if (module.names.has(name)) return path;
  const child = path ? `${path}::${name}` : name;
  if (modules.has(child)) return child;
  for (const use of module.uses.filter((use) => use.name === name)) {
    const found = follow(modules, path, use.path, seen);
    if (found !== undefined) return found;
  }
  for (const use of module.uses.filter((use) => use.name === "*")) {
    const from = follow(modules, path, use.path, seen);
    const found = from === undefined || from === path ? undefined : origin(modules, from, name, seen);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The module that a path spelled in the module `from` leads to; undefined where it leaves the crate. */
function follow(modules, from, path, seen) {
  let at = from;
  let rest = path;
  let isAnchored = false;
  while (["crate", "self", "super"].includes(rest[0])) {
    if (rest[0] === "crate") at = "";
    if (rest[0] === "super") at = parentOf(at);
    rest = rest.slice(1);
    isAnchored = true;
  }
  for (const name of rest) {
    const next = origin(modules, at, name, new Set(seen));
    // What a module does not define by itself, as a macro would, is still its own; a first word unknown here is another crate.
    if (next === undefined) return isAnchored ? at : undefined;
    const isModule = next === (at ? `${at}::${name}` : name) || next.split("::").at(-1) === name;
    at = next;
    isAnchored = true;
    if (!isModule) break;
  }
  return isAnchored ? at : undefined;
}

/** Who imports whom within a crate: from each module to others, with the place that says so. */
export function importsOf(modules) {
  const imports = new Map();
  for (const [path, module] of modules) {
    const edges = new Map();
    const add = (target, line) => {
      if (target !== undefined && target !== path && !edges.has(target)) edges.set(target, `${module.file}:${line}`);
    };
    for (const use of module.uses) {
      const target = follow(modules, path, use.path, new Set());
      // Passing on what a module within it has is what a parent is for.
      if (target !== undefined && use.isPublic && isWithin(target, path)) continue;
      add(target, use.line);
    }
    for (const spelled of module.paths) add(follow(modules, path, spelled.path, new Set()), spelled.line);
    imports.set(path, edges);
  }
  return imports;
}

/** The imports between the modules that `parent` declares, where each stands for all that is within it. */
export function neighbours(imports, parent) {
  const depth = parent === "" ? 0 : parent.split("::").length;
  const childOf = (path) => (path !== parent && isWithin(path, parent) ? path.split("::").slice(0, depth + 1).join("::") : undefined);
  const found = new Map();
  for (const [path, edges] of imports) {
    const from = childOf(path);
    if (from === undefined) continue;
    if (!found.has(from)) found.set(from, new Map());
    for (const [target, place] of edges) {
      const to = childOf(target);
      if (to !== undefined && to !== from && !found.get(from).has(to)) found.get(from).set(to, place);
    }
  }
  return found;
}

/** Groups of modules each of which imports, over some way, all others of its group (Tarjan's strongly connected components). */
export function cyclesOf(imports) {
  const cycles = [];
  const index = new Map();
  const low = new Map();
  const stack = [];
  const visit = (path) => {
    index.set(path, index.size);
    low.set(path, index.get(path));
    stack.push(path);
    for (const target of imports.get(path).keys()) {
      if (!index.has(target)) {
        visit(target);
        low.set(path, Math.min(low.get(path), low.get(target)));
      } else if (stack.includes(target)) {
        low.set(path, Math.min(low.get(path), index.get(target)));
      }
    }
    if (low.get(path) !== index.get(path)) return;
    const group = stack.splice(stack.indexOf(path));
    if (group.length > 1) cycles.push(group.toSorted());
  };
  for (const path of imports.keys()) if (!index.has(path)) visit(path);
  return cycles;
}

const LIBRARY = new Set(["lib", "rlib", "cdylib", "staticlib", "dylib", "proc-macro"]);

function main() {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const metadata = execFileSync("cargo", ["metadata", "--format-version", "1", "--no-deps", "--locked"], {
    cwd: root, maxBuffer: 1 << 28, encoding: "utf8",
  });
  const read = (file) => (existsSync(file) ? readFileSync(file, "utf8") : undefined);
  let total = 0;
  for (const { name, targets } of JSON.parse(metadata).packages) {
    for (const target of targets.filter(({ kind }) => kind.some((k) => k === "bin" || LIBRARY.has(k)))) {
      const modules = readCrate(target.src_path, read);
      const imports = importsOf(modules);
      const what = target.kind.includes("bin") ? `${name}, ${basename(target.src_path)}` : name;
      let caught = 0;
      for (const parent of modules.keys()) {
        const graph = neighbours(imports, parent);
        for (const cycle of cyclesOf(graph)) {
          caught += cycle.length;
          for (const path of cycle) {
            for (const [other, place] of graph.get(path)) {
              if (cycle.includes(other)) console.error(`  ${name}: ${path} -> ${other}  (${relative(root, place)})`);
            }
          }
        }
      }
      console.log(`${what}: ${modules.size} modules, ${caught} in import cycles`);
      total += caught;
    }
  }
  console.log(`module cycles: ${total} modules in import cycles`);
  process.exitCode = total ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
