// Weights files for the browser tests: the default model's under another card.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const MODEL = readFileSync("web/models/default.raremap");
const DIGITS = "0".repeat(64);

/**
 * The default model's file after `edit` has changed its card. The digest is that of the new file, so that the engine takes it.
 *
 * @param {(card: any) => void} edit
 */
export function weights(edit) {
  const end = 8 + Number(MODEL.readBigUInt64LE(0));
  const header = JSON.parse(MODEL.subarray(8, end).toString());
  const card = JSON.parse(header.__metadata__.card);
  edit(card);
  header.__metadata__.card = JSON.stringify(card);
  header.__metadata__.sha256 = DIGITS;
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = Buffer.concat([length, text, MODEL.subarray(end)]);
  const digest = createHash("sha256").update(file).digest("hex");
  file.write(digest, file.indexOf(DIGITS));
  return file;
}
