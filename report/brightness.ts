/** What was seen, in grey, where it stands above an answer that has colours of its own. */

/** The mean over channels. */
export function brightness(values: Float32Array, channels: number): Float32Array {
  if (channels === 1) return values;
  const means = new Float32Array(values.length / channels);
  values.forEach((value, i) => means[Math.floor(i / channels)] += value / channels);
  return means;
}
