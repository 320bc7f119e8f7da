/** A dataset of sequences whose frames are picture files, decoded when they are asked for. */
import { ByteLimitedCache } from "./byte_limited_cache.ts";
import {
  type Dataset,
  DatasetError,
  type ReadRequest,
  type SequenceEntry,
  type Split,
} from "./dataset.ts";
import { Decoder, DecoderStopped } from "./decoder.ts";
import { compareNames } from "./name_order.ts";
import type { ImageSize } from "./resample.ts";
import { requestedEntry } from "./requested_entry.ts";

const cacheBytesMaxDefault = 256 * 1024 * 1024;
/** A description of a run's data has at most 1024 characters, the path among them. */
const noteLengthMax = 300;
const notesLengthMax = 600;
/** What makes a picture a large one, and by how much more than its frame. */
const largePixels = 2 ** 20;
const largeRatio = 16;

export interface PictureSequence {
  readonly name: string;
  /** Paths of its frames. */
  readonly frames: readonly string[];
  /** That of every sequence, or of none. */
  readonly className?: string;
}

export interface PictureSequencesOptions {
  readonly path: string;
  /** Rows and columns that frames are resized to. */
  readonly frameSize: readonly [rows: number, columns: number];
  /** 1 for grey, 3 for colour. */
  readonly channels: 1 | 3;
  /** Of decoded frames. @default {256 MiB} */
  readonly cacheBytesMax?: number;
}

/** What was found in the files when they were checked. */
export interface PictureFindings {
  /** Rows and columns of each that can be decoded. */
  readonly sizes: readonly ImageSize[];
  /** Sentences about those that were left out. */
  readonly failures: readonly string[];
  /** What else is to be said of how they were found. */
  readonly notes: readonly string[];
}

/**
 * @param title begins the description, e.g. "Frames"
 */
export function pictureSequences(
  title: string,
  options: PictureSequencesOptions,
  sequences: Readonly<Record<Split, readonly PictureSequence[]>>,
  { sizes, failures, notes }: PictureFindings,
): Dataset {
  const { path, frameSize: [rows, columns], channels } = options;
  const decoder = new Decoder();
  const frames = new ByteLimitedCache<string, Float32Array>({
    load: (file) => decodeAgain(decoder, { path: file, size: [rows, columns], channels }),
    bytesOf: (frame) => frame.byteLength,
  }, options.cacheBytesMax ?? cacheBytesMaxDefault);
  const entriesOf = (split: Split): SequenceEntry[] =>
    sequences[split].map(({ name, frames }) => ({ id: name, frames: frames.length }));
  const catalogue = {
    train: entriesOf("train"),
    validation: entriesOf("validation"),
    test: entriesOf("test"),
  };
  const names = [...sequences.train, ...sequences.validation, ...sequences.test]
    .flatMap(({ className }) => className === undefined ? [] : [className]);
  const classes = names.length > 0 ? [...new Set(names)].sort(compareNames) : undefined;
  const resizing = resizedFrom(sizes, [rows, columns]);
  const left = [
    ...failures.length === 0
      ? []
      : [`left out ${failures.length} files that cannot be decoded, e.g.: ${failures[0]}`],
    ...notes,
  ].map((note) => `; ${note.slice(0, noteLengthMax)}`).join("").slice(0, notesLengthMax);
  return {
    name: "frames",
    frameShape: [rows, columns, channels],
    description:
      `${title} from ${path}, ${rows}x${columns}${resizing}, ${catalogue.train.length} sequences ` +
      `for training, ${catalogue.validation.length} for validation, ${catalogue.test.length} for ` +
      `test${classes ? `, ${classes.length} classes` : ""}${left}`,
    files: Object.values(sequences).flatMap((all) => all.flatMap((each) => each.frames)),
    unit: "white",
    ...warningsOf(sizes, [rows, columns]),
    ...(classes && { targetShape: [classes.length], classes }),
    catalogue: (split) => catalogue[split],
    async read(request) {
      requestedEntry(catalogue[request.split], request);
      const files = sequences[request.split][request.sequence].frames;
      const wanted = files.slice(request.offset, request.offset + request.frames);
      const decoded = await Promise.all(wanted.map((file) => frames.get(file)));
      const values = new Float32Array(request.frames * rows * columns * channels);
      decoded.forEach((frame, index) => values.set(frame, index * frame.length));
      return values;
    },
    ...(classes && {
      readTargets(request: ReadRequest) {
        requestedEntry(catalogue[request.split], request);
        const place = classes.indexOf(sequences[request.split][request.sequence].className!);
        const answers = new Float32Array(request.frames * classes.length);
        for (let i = 0; i < request.frames; i++) answers[i * classes.length + place] = 1;
        return Promise.resolve(answers);
      },
    }),
    close: () => decoder.close(),
  };
}

/** @throws {DatasetError} for a file that has changed since all were looked at */
async function decodeAgain(
  decoder: Decoder,
  request: { readonly path: string; readonly size: ImageSize; readonly channels: 1 | 3 },
): Promise<Float32Array> {
  try {
    return await decoder.decode("image", request);
  } catch (cause) {
    if (!(cause instanceof DatasetError) || cause instanceof DecoderStopped) throw cause;
    throw new DatasetError(
      `${cause.message}; it was sound when the data were opened: put it back to go on`,
      { cause },
    );
  }
}

/** Reading pictures that are much larger than frames mostly unpacks what nobody sees. */
function warningsOf(sizes: readonly ImageSize[], [rows, columns]: ImageSize) {
  const pixelsOf = ([height, width]: ImageSize) => height * width;
  const large = sizes.filter((size) =>
    pixelsOf(size) >= largePixels && pixelsOf(size) >= largeRatio * rows * columns
  );
  if (large.length === 0) return {};
  return {
    warnings: [
      `${large.length} pictures as large as ${large[0].join("x")} are unpacked for ` +
      `${rows}x${columns} pixels each time that they are read; resize them once, e.g. with ` +
      `magick mogrify -resize '${columns}x${rows}!' *.png in each folder`,
    ],
  };
}

/** " resized from 375x1242", which makes a square of it; empty where all are of the wanted size. */
function resizedFrom(sizes: readonly ImageSize[], wanted: ImageSize): string {
  const [first, second, ...more] = new Set(sizes.map((size) => size.join("x")));
  if (first === undefined || (second === undefined && first === wanted.join("x"))) return "";
  if (second === undefined) return ` resized from ${first}`;
  return ` resized from ${more.length + 2} sizes such as ${first} and ${second}`;
}
