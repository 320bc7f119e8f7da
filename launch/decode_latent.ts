/** What a trained autoencoder draws of points of its latent space: `--decode` and `--decode-grid`. */
import { encodeNpy } from "../datasets/npy_encoding.ts";
import { tf } from "../engine/tf.ts";
import { renderDecoded } from "../report/decoded_picture.ts";
import { frameScale } from "../report/frame_scale.ts";
import type { SequencePredictor } from "../worker/sequence_predictor.ts";
import { sequenceReader } from "../worker/sequence_reader.ts";
import { splitParameters } from "../worker/step_functions.ts";
import { type FlagTable, type GivenFlags, UsageError } from "./flags.ts";
import { writeNewFile } from "./prediction_files.ts";
import type { TrainedModel } from "./trained_model.ts";

export const decodeFlags = {
  decode: {
    kind: "numbers",
    value: "X,Y,...",
    min: -1e6,
    max: 1e6,
    help: "an autoencoder's image of this latent point",
    defaultText: "none",
  },
  "decode-grid": {
    kind: "integer",
    value: "N",
    min: 2,
    max: 64,
    help: "its images of N × N latent points, over the range of the split's own",
    defaultText: "none",
  },
} as const satisfies FlagTable;

/** Frames whose latent points say where a grid of them lies. */
const surveyedMax = 500;

/** Draws what was asked for into a folder that is there; returns the paths of what it wrote. */
export type LatentDecoder = (
  place: { readonly out: string; readonly title: string },
) => Promise<string[]>;

/**
 * Looks at the flags before anything is written.
 * @param predictor of the same model, for the latent points of the split
 * @throws {UsageError} where the model decodes nothing, or points of another length
 */
export async function prepareDecoding(
  given: GivenFlags,
  trained: TrainedModel,
  predictor: SequencePredictor,
): Promise<LatentDecoder> {
  const point = given.decode as readonly number[] | undefined;
  const side = given["decode-grid"] as number | undefined;
  if (point === undefined && side === undefined) return () => Promise.resolve([]);
  const flag = point === undefined ? "--decode-grid" : "--decode";
  const { model } = trained;
  if (!model.decode) {
    throw new UsageError(
      `Cannot use ${flag} with ${model.name}: it draws no single image from a latent point; only ` +
        "autoencoders of single frames do",
    );
  }
  const surveyed = await latentPoints(trained, predictor);
  const dimensions = surveyed[0]?.length ?? 0;
  if (point !== undefined && point.length !== dimensions) {
    throw new UsageError(
      `Cannot decode ${point.length} values: a latent point of this ${model.name} has ` +
        `${dimensions}; give as many with --decode`,
    );
  }
  return ({ out, title }) => decodeLatent(trained, surveyed, { point, side, out, title });
}

async function decodeLatent(
  { model, dataset, engine, parameters }: TrainedModel,
  surveyed: readonly Float32Array[],
  { point, side, out, title }: {
    readonly point?: readonly number[];
    readonly side?: number;
    readonly out: string;
    readonly title: string;
  },
): Promise<string[]> {
  const dimensions = point?.length ?? surveyed[0].length;
  const decode = engine.compile("decode", ([flat, points]) => [
    model.decode!(splitParameters(model, flat), points),
  ]);
  const draw = async (points: readonly (readonly number[])[]): Promise<Float32Array> => {
    const input = tf.tensor2d(points.flat(), [points.length, dimensions]);
    const [images] = await decode([parameters, input]);
    const values = (images.dataSync() as Float32Array).slice();
    tf.dispose([input, images]);
    return values;
  };
  const scale = frameScale(dataset.name);
  const written: string[] = [];
  const write = async (
    name: string,
    points: number,
    images: Float32Array,
    grid: Omit<Parameters<typeof renderDecoded>[0], "images" | "frameShape" | "scale">,
  ) => {
    const path = `${out}/${name}`;
    await writeNewFile(`${path}.npy`, encodeNpy(images, [points, ...model.frameShape]));
    written.push(`${path}.npy`);
    const { frameShape } = model;
    if (frameShape[2] !== 1 && frameShape[2] !== 3) return;
    await writeNewFile(`${path}.png`, renderDecoded({ ...grid, images, frameShape, scale }));
    written.push(`${path}.png`);
  };
  try {
    if (point !== undefined) {
      const rest = point.slice(2).map((value) => `, ${value}`).join("");
      await write("decoded", 1, await draw([point]), {
        title: `${title}, decoded`,
        axes: ["latent 1", `latent 2${rest === "" ? "" : `, then${rest.slice(1)}`}`],
        horizontal: [point[0]],
        vertical: [point[1] ?? 0],
      });
    }
    if (side !== undefined) {
      const plane = gridOf(surveyed, side);
      const points = plane.vertical.flatMap((y) => plane.horizontal.map((x) => plane.at(x, y)));
      await write("decode-grid", points.length, await draw(points), {
        ...plane,
        title: `${title}, decoded`,
      });
    }
  } finally {
    decode.dispose();
  }
  return written;
}

/** Of as many frames of the split as it takes to know where they lie. */
async function latentPoints(
  trained: TrainedModel,
  predictor: SequencePredictor,
): Promise<Float32Array[]> {
  const { dataset, split } = trained;
  const points: Float32Array[] = [];
  for (const [sequence, { frames }] of dataset.catalogue(split, 0).entries()) {
    if (points.length >= surveyedMax) break;
    for await (const { latent } of predictor.predict(frames, sequenceReader(trained, sequence))) {
      if (latent) points.push(latent);
    }
  }
  return points;
}

/** Of the values beyond these shares few points have any, and the network has seen little. */
const [lowShare, highShare] = [0.02, 0.98];

/** The plane of the two latent values that vary most, all others at their means. */
function gridOf(points: readonly Float32Array[], side: number) {
  const dimensions = points[0].length;
  const columns = Array.from({ length: dimensions }, (_, index) => {
    const values = points.map((point) => point[index]).sort((one, two) => one - two);
    const at = (share: number) => values[Math.round(share * (values.length - 1))];
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const spread = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return { index, mean, spread, low: at(lowShare), high: at(highShare) };
  });
  const [first, second = first] = columns.toSorted((one, two) => two.spread - one.spread)
    .slice(0, 2).sort((one, two) => one.index - two.index);
  const along = ({ low, high }: typeof first) =>
    Array.from({ length: side }, (_, step) => low + (high - low) * step / (side - 1));
  return {
    axes: [`latent ${first.index + 1}`, `latent ${second.index + 1}`] as const,
    horizontal: along(first),
    vertical: second === first ? [second.mean] : along(second),
    at: (x: number, y: number) =>
      columns.map(({ index, mean }) =>
        index === first.index ? x : index === second.index ? y : mean
      ),
  };
}
