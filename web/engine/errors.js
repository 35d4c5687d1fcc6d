// @ts-check
// Errors with codes that do not change between versions.

/** Any failure of the engine. */
export class EngineError extends Error {
  /**
   * @param {string} code for programs; stable between versions
   * @param {string} message for people
   */
  constructor(code, message) {
    super(message);
    this.name = "EngineError";
    /** What went wrong, for programs: docs/errors.md lists all. */
    this.code = code;
  }
}

/**
 * Gives whatever was thrown a code. Errors that come from wasm have one already; anything else is a fault of our own.
 *
 * @param {unknown} cause
 * @returns {EngineError}
 */
export function toEngineError(cause) {
  if (cause instanceof EngineError) return cause;
  if (!(cause instanceof Error)) return new EngineError("internal", String(cause));
  return "code" in cause && typeof cause.code === "string"
    ? new EngineError(cause.code, cause.message)
    : new EngineError("internal", String(cause));
}
