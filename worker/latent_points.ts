/** Where an autoencoder puts frames, each with its class where the dataset has classes. */
import type { LatentPoint } from "../report/latent_scatter.ts";

/** Of frames beyond this nothing is kept: nobody sees more discs. */
const pointsMax = 20_000;

/** Of one frame. */
export interface LatentSum {
  readonly latent: Float32Array;
  readonly label: number;
}

export interface LatentPoints {
  /** @param label index of the class, 0 where there are none */
  add(latent: Float32Array, label: number): void;
  /** What was kept, of which another's `add` takes each. */
  sums(): readonly LatentSum[];
  /** The two latent values that vary most, and how they are named. */
  plane(): LatentPlane | undefined;
}

export interface LatentPlane {
  readonly points: readonly LatentPoint[];
  readonly axes: readonly [horizontal: string, vertical: string];
}

export function createLatentPoints(): LatentPoints {
  const kept: LatentSum[] = [];
  return {
    add(latent, label) {
      if (kept.length < pointsMax) kept.push({ latent: latent.slice(), label });
    },
    sums: () => kept,
    plane() {
      const dimensions = kept[0]?.latent.length ?? 0;
      if (dimensions < 2) return undefined;
      const [x, y] = widest(kept.map(({ latent }) => latent), dimensions);
      return {
        points: kept.map(({ latent, label }) => ({ x: latent[x], y: latent[y], label })),
        axes: [`latent ${x + 1}`, `latent ${y + 1}`],
      };
    },
  };
}

/** The two indices of largest variance, in ascending order. */
function widest(points: readonly Float32Array[], dimensions: number): [number, number] {
  const variances = Array.from({ length: dimensions }, (_, index) => {
    const mean = points.reduce((sum, point) => sum + point[index], 0) / points.length;
    const sum = points.reduce((sum, point) => sum + (point[index] - mean) ** 2, 0);
    return { index, sum };
  });
  const [first, second] = variances.sort((one, two) => two.sum - one.sum);
  return [Math.min(first.index, second.index), Math.max(first.index, second.index)];
}
