/** From what a worker sent of its sample predictions to what is drawn of them. */
import type { PictureRequest } from "../net/messages.ts";
import type { PredictedSequence } from "../report/predicted_sequence.ts";

/** A picture has some hundred pixels beside each side of a frame, so that a thin frame costs most. */
const sidePixelsMax = 2048;
/** Of the true frames of all samples together. */
const valuesMax = 2 ** 25;

/**
 * @param take the vector of a name, as it was written
 * @throws {RangeError} for what cannot be drawn, or only with more memory than a picture is worth
 */
export function picturedSequences(
  { height, width, channels, samples, answers }: PictureRequest,
  take: (name: string) => Float32Array,
): PredictedSequence[] {
  const sides = [height, width].every((side) => side >= 1 && side <= sidePixelsMax);
  if (!sides || channels < 1 || samples.length === 0) {
    throw new RangeError(
      `${samples.length} samples of ${height} × ${width} pixels in ${channels} channels: a ` +
        `picture takes at least one, sides of 1 to ${sidePixelsMax} and at least one channel`,
    );
  }
  const frames = samples.reduce((sum, sample) => sum + sample.frames, 0);
  const values = frames * height * width * channels;
  if (values > valuesMax) {
    throw new RangeError(`${values} values in ${frames} frames: a picture takes ${valuesMax}`);
  }
  const bad = samples.find((sample) => sample.firstPredicted >= sample.frames);
  if (bad) {
    throw new RangeError(`frame ${bad.firstPredicted} of ${bad.frames} is the first predicted one`);
  }
  return samples.map(({ label, frames, firstPredicted }, index) => ({
    label,
    frames,
    inputFrames: firstPredicted,
    height,
    width,
    channels,
    truth: take(`sample/${index}/truth`),
    predictions: take(`sample/${index}/predictions`),
    ...(answers ? { seen: take(`sample/${index}/seen`) } : {}),
  }));
}
