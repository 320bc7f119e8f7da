/**
 * The steps after which a picture of predictions is drawn: with `--images-every 1` a long run would
 * otherwise leave as many as it has steps. From some hundred on they become rarer, a constant number in
 * each doubling of the steps; by the step alone, so that a resumed run draws the same ones.
 */

/** As many are drawn as asked for. */
const picturesMax = 512;

/** @param every steps between two pictures, as asked for; null for none */
export function isPictureStep(step: number, every: number | null): boolean {
  if (every === null || step % every !== 0) return false;
  const number = step / every;
  let stride = 1;
  while (number > picturesMax * stride) stride *= 2;
  return number % stride === 0;
}
