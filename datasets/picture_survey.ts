/**
 * A look at all pictures of a dataset before it is used, so that one that is broken is found at the
 * start, by every worker alike, and not in the middle of a night of training. Each is read whole and
 * unpacked once, which costs about what reading the first epoch does, without the resizing.
 */
import { DatasetError, isBadFile } from "./dataset.ts";
import { Decoder } from "./decoder.ts";
import type { ImageSize } from "./resample.ts";

export interface Picture {
  readonly path: string;
  readonly size: ImageSize;
}

export interface PictureSurvey {
  /** Those that can be decoded, by their paths. */
  readonly sizes: ReadonlyMap<string, ImageSize>;
  /** Sentences about those that cannot. */
  readonly failures: readonly string[];
}

/** Files that are looked at together by a thread: there may be hundreds of thousands. */
const togetherMax = 16;
const threadsMax = 4;
/** A thread takes a good part of this time to start. */
const filesOfThread = 256;

/**
 * @param onBadFile "skip" leaves out what cannot be decoded
 * @param onSize may throw for a size that cannot be used, told before a pixel is unpacked
 * @throws {DatasetError} with "stop", for the first file that cannot be decoded; else where none can
 */
export async function surveyPictures(
  files: readonly string[],
  onBadFile: "stop" | "skip",
  onSize: (picture: Picture) => void = () => {},
): Promise<PictureSurvey> {
  const cores = navigator.hardwareConcurrency;
  const threads = Math.ceil(Math.min(threadsMax, cores / 2, files.length / filesOfThread));
  const decoders = Array.from({ length: threads }, () => new Decoder());
  const together = threads * togetherMax;
  const failures: string[] = [];
  /** One after the other, so that it is always the same file that is told of. */
  const all = async <T>(
    paths: readonly string[],
    look: (path: string, decoder: Decoder) => Promise<T>,
    use: (path: string, found: T) => void,
  ) => {
    for (let start = 0; start < paths.length; start += together) {
      const some = paths.slice(start, start + together);
      const results = await Promise.allSettled(
        some.map((path, i) => look(path, decoders[i % threads])),
      );
      for (const [i, result] of results.entries()) {
        if (result.status === "fulfilled") use(some[i], result.value);
        else if (!isBadFile(result.reason)) throw result.reason;
        else if (onBadFile === "skip") failures.push(result.reason.message);
        else {
          throw new DatasetError(
            `${result.reason.message}; copy the file again, or leave out such files with ` +
              "--on-bad-file skip",
            { cause: result.reason },
          );
        }
      }
    }
  };
  try {
    const announced = new Map<string, ImageSize>();
    await all(files, (path, decoder) => decoder.decode("imageSize", { path }), (path, size) => {
      onSize({ path, size });
      announced.set(path, size);
    });
    const sizes = new Map<string, ImageSize>();
    await all(
      [...announced.keys()],
      (path, decoder) => decoder.decode("imageCheck", { path }),
      (path) => sizes.set(path, announced.get(path)!),
    );
    if (sizes.size === 0 && failures.length > 0) {
      throw new DatasetError(
        `Cannot use any of ${files.length} pictures, the first because: ${failures[0]}`,
      );
    }
    return { sizes, failures };
  } finally {
    for (const decoder of decoders) decoder.close();
  }
}
