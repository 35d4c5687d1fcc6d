import assert from "node:assert/strict";
import { test } from "node:test";

import { cyclesOf, importsOf, neighbours, readCrate, tokens } from "./module-cycles.mjs";

/** The crate whose sources are `files`, by their path under src/. */
const crateOf = (files) => readCrate("src/lib.rs", (file) => files[file.replace(/^src\//, "")]);

/** All edges as `from -> to`. */
const edgesOf = (files) => [...importsOf(crateOf(files))].flatMap(([from, edges]) => [...edges.keys()].map((to) => `${from} -> ${to}`)).toSorted();

const cyclesAt = (files, parent = "") => cyclesOf(neighbours(importsOf(crateOf(files)), parent));

const TWO = "mod a;\nmod b;\n";

test("two modules that import each other are a cycle", () => {
  const files = { "lib.rs": TWO, "a.rs": "use crate::b::B;\npub struct A(B);", "b.rs": "use super::a::A;\npub struct B(Box<A>);" };
  assert.deepEqual(edgesOf(files), ["a -> b", "b -> a"]);
  assert.deepEqual(cyclesAt(files), [["a", "b"]]);
});

test("a chain is no cycle", () => {
  const files = { "lib.rs": `${TWO}mod c;`, "a.rs": "use crate::b::B;", "b.rs": "use crate::c::C;\npub struct B;", "c.rs": "pub struct C;" };
  assert.deepEqual(edgesOf(files), ["a -> b", "b -> c"]);
  assert.deepEqual(cyclesAt(files), []);
});

test("a cycle over three modules names all three", () => {
  const files = {
    "lib.rs": `${TWO}mod c;`,
    "a.rs": "use crate::b::B;\npub struct A;",
    "b.rs": "use crate::c::C;\npub struct B;",
    "c.rs": "pub fn c(_: crate::a::A) {}\npub struct C;",
  };
  assert.deepEqual(cyclesAt(files), [["a", "b", "c"]]);
});

test("a name that the root passes on stands for the module it comes from", () => {
  const files = { "lib.rs": "mod a;\nmod b;\npub use a::A;\npub use b::*;", "a.rs": "pub struct A(crate::B);", "b.rs": "use crate::A;\npub struct B(Box<A>);" };
  assert.deepEqual(edgesOf(files), ["a -> b", "b -> a"]);
});

test("a parent that passes on what is within it does not import it", () => {
  const files = { "lib.rs": "mod a;", "a/mod.rs": "mod inner;\npub use inner::Inner;\npub(crate) use self::inner::helper;", "a/inner.rs": "pub struct Inner;\npub fn helper() {}" };
  assert.deepEqual(edgesOf(files), []);
});

test("a parent and a module within it may use each other", () => {
  const files = { "lib.rs": "mod a;", "a/mod.rs": "mod inner;\nuse inner::Inner;\npub struct Shared;", "a/inner.rs": "use super::Shared;\npub struct Inner(Shared);" };
  assert.deepEqual(edgesOf(files), ["a -> a::inner", "a::inner -> a"]);
  assert.deepEqual([cyclesAt(files), cyclesAt(files, "a")], [[], []]);
});

test("what is deep within a module counts for it", () => {
  const files = { "lib.rs": TWO, "a.rs": "mod deep;\npub struct A;", "a/deep.rs": "use crate::b::B;", "b.rs": "use crate::a::A;\npub struct B;" };
  assert.deepEqual(cyclesAt(files), [["a", "b"]]);
});

test("neighbours further down are held to the same rule", () => {
  const files = { "lib.rs": "mod top;", "top.rs": TWO, "top/a.rs": "use super::b::B;\npub struct A;", "top/b.rs": "use super::a::A;\npub struct B;" };
  assert.deepEqual(cyclesAt(files), []);
  assert.deepEqual(cyclesAt(files, "top"), [["top::a", "top::b"]]);
});

test("paths in code count as imports do, and so do trees of imports, renamed and by star", () => {
  for (const b of ["pub fn f() { crate::a::g(); }", "use crate::{a::{self, A as Other}};", "use crate::a::*;", "impl Trait for super::a::A {}"]) {
    assert.deepEqual(edgesOf({ "lib.rs": TWO, "a.rs": "pub struct A;\npub fn g() {}", "b.rs": b }), ["b -> a"], b);
  }
});

test("tests, comments, strings and other crates are no imports", () => {
  const b = `
    // use crate::a::A;
    /* use crate::a::A; /* nested */ use crate::a::A; */
    const TEXT: &str = "use crate::a::A; \\" crate::a::A";
    const RAW: &str = r#"crate::a::A "quoted" crate::a::A"#;
    const QUOTE: char = '"';
    fn f<'a>(x: &'a str) -> std::a::A { serde::a::A }
    #[cfg(test)]
    use crate::a::A;
    #[cfg(test)]
    #[allow(unused)]
    mod tests { use crate::a::A; fn t() { super::super::a::g(); } }
    #[test]
    fn alone() { crate::a::g(); }
  `;
  assert.deepEqual(edgesOf({ "lib.rs": TWO, "a.rs": "pub struct A;\npub fn g() {}", "b.rs": b }), []);
});

test("code after a test module counts", () => {
  const b = "#[cfg(test)]\nmod tests {}\nuse crate::a::A;";
  assert.deepEqual(edgesOf({ "lib.rs": TWO, "a.rs": "pub struct A;", "b.rs": b }), ["b -> a"]);
});

test("inline modules are modules", () => {
  const files = { "lib.rs": "mod a { use super::b::B; pub struct A; }\nmod b { use crate::a::A; pub struct B; }" };
  assert.deepEqual(cyclesAt(files), [["a", "b"]]);
});

test("a module without a file is an error", () => {
  assert.throws(() => crateOf({ "lib.rs": "mod lost;" }), /lost/);
});

test("lines are those of the source", () => {
  assert.deepEqual(tokens('a\n/* \n */ "\n" b').map(({ text, line }) => `${text}${line}`), ["a1", "b4"]);
  const imports = importsOf(crateOf({ "lib.rs": TWO, "a.rs": "pub struct A;", "b.rs": "\n\nuse crate::a::A;" }));
  assert.equal(imports.get("b").get("a"), "src/b.rs:3");
});
