/** The forecast to beat before all others: what was seen last stays as it is. */

/**
 * @param inputs [frames, height, width, channels]
 * @param frameSize height * width * channels
 * @returns [leads, height, width, channels]
 */
export function persistence(inputs: Float32Array, frameSize: number, leads: number): Float32Array {
  const last = inputs.subarray(inputs.length - frameSize);
  const forecast = new Float32Array(leads * frameSize);
  for (let lead = 0; lead < leads; lead++) forecast.set(last, lead * frameSize);
  return forecast;
}
