// @ts-check
// The package's entry: maps scenes from JavaScript, without a page. Importing it starts nothing and needs no browser; sessions do.

export { createSession, Session } from "./session.js";
export { Run } from "./run.js";
export { Result } from "./result.js";
export { EngineError } from "../engine/errors.js";
