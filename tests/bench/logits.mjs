// How far logits are from other logits of the same tile.

/** @typedef {{shape: [number, number, number, number], values: Float32Array}} Head logits of a head, `[1, channels, height, width]` */

/**
 * Cuts the logits of a tile into heads.
 *
 * @param {Float32Array} values the main head's, then the auxiliary head's
 * @param {Record<string, number[]>} shapes
 * @returns {Record<string, Head>}
 */
export function headsOf(values, shapes) {
  const heads = {};
  let at = 0;
  for (const name of ["main", "auxiliary"].filter((name) => shapes[name])) {
    const end = at + shapes[name].reduce((product, axis) => product * axis, 1);
    heads[name] = { shape: shapes[name], values: values.subarray(at, end) };
    at = end;
  }
  if (at !== values.length) throw new Error(`there are ${values.length} logits, but the heads have ${at}`);
  return heads;
}

/** @param {Float32Array} values */
export function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  return high - low;
}

/** The largest difference; infinite where a logit is not a number. @param {Float32Array} found @param {Float32Array} expected */
export function largestDifference(found, expected) {
  if (found.length !== expected.length) throw new Error(`there are ${found.length} logits instead of ${expected.length}`);
  let worst = 0;
  for (let index = 0; index < found.length; index += 1) {
    const difference = Math.abs(found[index] - expected[index]);
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
  }
  return worst;
}

/**
 * The largest difference of any head, and the largest relative to the range of its head.
 *
 * @param {Record<string, Head>} found @param {Record<string, Head>} expected
 */
export function compareHeads(found, expected) {
  const names = Object.keys(expected);
  const differences = names.map((name) => largestDifference(found[name].values, expected[name].values));
  const relative = differences.map((difference, index) => difference / rangeOf(expected[names[index]].values));
  return { max_abs: Math.max(...differences), relative: Math.max(...relative) };
}

/** The likeliest class of each pixel of an upsampled head (bilinear, `align_corners = false`), as the page draws it. @param {Head} head @param {number} edge */
export function maskOf({ shape: [, channels, height, width], values }, edge) {
  const taps = (size) =>
    Array.from({ length: edge }, (_, target) => {
      const position = Math.max(0, ((target + 0.5) * size) / edge - 0.5);
      const first = Math.min(Math.floor(position), size - 1);
      return [first, Math.min(first + 1, size - 1), position - first];
    });
  const [rows, columns] = [taps(height), taps(width)];
  const mask = new Uint8Array(edge * edge);
  const best = new Float64Array(edge * edge).fill(-Infinity);
  for (let channel = 0; channel < channels; channel += 1) {
    const plane = values.subarray(channel * height * width, (channel + 1) * height * width);
    for (let y = 0; y < edge; y += 1) {
      const [above, below, down] = rows[y];
      for (let x = 0; x < edge; x += 1) {
        const [left, right, across] = columns[x];
        const top = plane[above * width + left] * (1 - across) + plane[above * width + right] * across;
        const bottom = plane[below * width + left] * (1 - across) + plane[below * width + right] * across;
        const logit = top * (1 - down) + bottom * down;
        if (logit > best[y * edge + x]) [best[y * edge + x], mask[y * edge + x]] = [logit, channel];
      }
    }
  }
  return mask;
}

/** Share of equal pixels. @param {Uint8Array} one @param {Uint8Array} other */
export function agreement(one, other) {
  if (one.length !== other.length) throw new Error(`${one.length} pixels cannot be compared with ${other.length}`);
  return one.reduce((count, value, index) => count + Number(value === other[index]), 0) / one.length;
}
