// Figures of repeated measurements.

/** The value below which a share of them lies, interpolated between neighbours. @param {number[]} values @param {number} share from 0 to 1 */
export function quantile(values, share) {
  if (values.length === 0) throw new Error("there is nothing to summarize");
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return below + (above - below) * (at - Math.floor(at));
}

/** @param {number[]} values */
export function mean(values) {
  if (values.length === 0) throw new Error("there is nothing to summarize");
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** @param {number[]} values */
export const median = (values) => quantile(values, 0.5);

/**
 * Median, quartiles and extremes. Other programs only ever add time, so the least is what the work itself takes.
 *
 * @param {number[]} values
 */
export function summary(values) {
  const [min, q1, middle, q3, max] = [0, 0.25, 0.5, 0.75, 1].map((share) => quantile(values, share));
  return { median: middle, min, q1, q3, max, count: values.length };
}

/**
 * How many times longer the first takes than the second: the median of the ratios of neighbours in time, which share what else the machine did then.
 *
 * @param {number[]} ours @param {number[]} theirs
 */
export function pairedRatio(ours, theirs) {
  if (ours.length !== theirs.length) throw new Error(`${ours.length} measurements cannot be paired with ${theirs.length}`);
  return median(ours.map((value, index) => value / theirs[index]));
}
