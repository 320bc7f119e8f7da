/** Points of an autoencoder's latent plane, coloured by class. */
import { renderChart } from "./chart.ts";

export interface LatentPoint {
  readonly x: number;
  readonly y: number;
  /** Index into `classes`. */
  readonly label: number;
}

/**
 * @param axes which two of the latent values are shown, e.g. ["latent 1", "latent 2"]
 * @returns a PNG
 * @throws {RangeError} where there is no point, or one of a class that is not named
 */
export function renderLatentScatter(
  title: string,
  points: readonly LatentPoint[],
  classes: readonly string[],
  axes: readonly [horizontal: string, vertical: string] = ["latent 1", "latent 2"],
): Uint8Array {
  const odd = points.find(({ label }) => !(label in classes));
  if (odd) {
    throw new RangeError(
      `Cannot draw a point of class ${odd.label}: there are ${classes.length} classes, ` +
        classes.join(", "),
    );
  }
  return renderChart({
    title,
    horizontal: axes[0],
    vertical: axes[1],
    series: classes.map((name, index) => ({
      name,
      points: points.filter(({ label }) => label === index).map(({ x, y }) => [x, y]),
      style: "discs",
    })),
    width: 680,
    height: 640,
  });
}
