// The bench's command line.

import { parseArgs } from "node:util";

export const USAGE = `usage: node tests/bench/browser.mjs [OPTIONS]
  --backend cpu|webgpu   where both run; may be given twice (default: both)
  --tile N               edge of the tile in pixels, a multiple of 32; may be given several times (default: 256)
  --model FILE           a weights file (default: web/models/default.raremap)
  --random SEED          B0 with random weights instead; --set KEY=VALUE changes its shape
  --repetitions N        measurements of each, in turn (default: 15 on the CPU, 3 with WebGPU)
  --threads N            on the CPU, also measures N threads on both sides
  --host chromium|node   what runs both (default: chromium); Node with Dawn is for a machine with a GPU and no browser
  --adapter software|hardware   which GPU Chromium takes (default: software, which every machine has)
  --site FOLDER          the built page (default: dist)
  --json FILE            writes the figures there`;

/** What is wrong with the command line. */
export class UsageError extends Error {}

function wholeNumber(name, text, least) {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least) throw new UsageError(`--${name} ${text}: it must be a whole number, at least ${least}`);
  return value;
}

function oneOf(name, text, choices) {
  if (!choices.includes(text)) throw new UsageError(`--${name} ${text}: it must be ${choices.join(" or ")}`);
  return text;
}

function edge(text) {
  const value = wholeNumber("tile", text, 32);
  if (value % 32 !== 0) throw new UsageError(`--tile ${text}: it must be a multiple of 32`);
  return value;
}

const unique = (values) => [...new Set(values)];

/** @param {string[]} args */
export function parseOptions(args) {
  const text = { type: "string" };
  const several = { type: "string", multiple: true };
  let values;
  try {
    ({ values } = parseArgs({
      args,
      options: {
        backend: several, tile: several, set: several, model: text, random: text, repetitions: text, threads: text, host: text, adapter: text, site: text, json: text,
        help: { type: "boolean" },
      },
    }));
  } catch (cause) {
    throw new UsageError(cause.message);
  }
  if (values.model !== undefined && values.random !== undefined) throw new UsageError("--model and --random exclude each other");
  if (values.set && values.random === undefined) throw new UsageError("--set changes the shape of a network with random weights; --random is missing");
  // Its threads need a browser's workers.
  if (values.host === "node" && values.threads !== undefined) throw new UsageError("--threads needs --host chromium");
  return {
    help: Boolean(values.help),
    backends: unique((values.backend ?? ["cpu", "webgpu"]).map((backend) => oneOf("backend", backend, ["cpu", "webgpu"]))),
    tiles: unique((values.tile ?? ["256"]).map(edge)),
    model: values.model ?? "web/models/default.raremap",
    random: values.random === undefined ? null : wholeNumber("random", values.random, 0),
    changes: values.set ?? [],
    repetitions: values.repetitions === undefined ? null : wholeNumber("repetitions", values.repetitions, 1),
    threads: values.threads === undefined ? null : wholeNumber("threads", values.threads, 2),
    host: oneOf("host", values.host ?? "chromium", ["chromium", "node"]),
    adapter: oneOf("adapter", values.adapter ?? "software", ["software", "hardware"]),
    site: values.site ?? "dist",
    json: values.json ?? null,
  };
}
