/**
 * Videos as folders of PNG frames, as KITTI, KTH and others are kept or extracted: each folder that
 * holds pictures is a sequence, its frames in the order of their names (2 before 10). Top folders
 * named train, validation (val) and test are the splits; without them the first 80 % of the
 * sequences train. With classes, the folder above a sequence is its class, and without folders of
 * the splits the first 80 % of each class train.
 */
import { type Dataset, DatasetError } from "./dataset.ts";
import { dividedByClass } from "./divided_by_class.ts";
import {
  allForTest,
  dividedByFolders,
  listPictureFolders,
  splitOfFolder,
} from "./picture_folders.ts";
import {
  type PictureSequence,
  pictureSequences,
  type PictureSequencesOptions,
} from "./picture_sequences.ts";
import { surveyPictures } from "./picture_survey.ts";
import { orAllForTest, splitRanges } from "./split_ranges.ts";

export interface FrameFolderOptions extends PictureSequencesOptions {
  /** Whether the folder above each sequence is its class, to be answered for each frame. */
  readonly classes: boolean;
  /** With "skip", a file that cannot be decoded ends a sequence; another one begins after it. */
  readonly onBadFile?: "stop" | "skip";
}

interface Video extends PictureSequence {
  /** Below the root, with "/" between its parts. */
  readonly folder: string;
}

/** @throws {DatasetError} if there are no pictures, or one is broken, or sequences lack a class */
export async function openFrameFolder(options: FrameFolderOptions): Promise<Dataset> {
  const { path, classes, onBadFile = "stop" } = options;
  const found = await listPictureFolders(path);
  if (found.length === 0) {
    throw new DatasetError(
      `Cannot find frames in "${path}": no folder there holds PNG files; put the frames of each ` +
        "video into a folder of its own",
    );
  }
  const { sizes, failures } = await surveyPictures(found.flatMap(({ files }) => files), onBadFile);
  const videos: Video[] = [];
  for (const { folder, files } of found) {
    const parts = soundParts(files, (file) => sizes.has(file));
    const name = folder === "" ? "." : folder;
    parts.forEach((frames, index) =>
      videos.push({
        ...{ folder, frames },
        name: parts.length === 1 ? name : `${name}/part-${index}`,
      })
    );
  }
  const named = (some: readonly Video[]): readonly Video[] =>
    classes ? some.map((each) => ({ ...each, className: classOf(each.folder, path) })) : some;
  const byFolders = options.fileSplit === "test"
    ? allForTest(videos, path)
    : dividedByFolders(videos, path);
  const sequences = byFolders
    ? {
      train: named(byFolders.train),
      validation: named(byFolders.validation),
      test: named(byFolders.test),
    }
    : classes
    ? dividedByClass(named(videos), "videos", path)
    : dividedInOrder(videos, path);
  return pictureSequences("Frames", options, sequences, { sizes: [...sizes.values()], failures });
}

/** All of a video's frames, or the parts that broken files leave of it. */
function soundParts(files: readonly string[], isSound: (file: string) => boolean): string[][] {
  const parts: string[][] = [[]];
  for (const file of files) {
    if (isSound(file)) parts.at(-1)!.push(file);
    else parts.push([]);
  }
  return parts.filter((frames) => frames.length > 0);
}

function dividedInOrder(videos: readonly Video[], path: string) {
  const ranges = splitRanges(videos.length, `the folders of frames in "${path}"`, orAllForTest);
  return {
    train: videos.slice(...ranges.train),
    validation: videos.slice(...ranges.validation),
    test: videos.slice(...ranges.test),
  };
}

/** The folder that holds the sequence's own. */
function classOf(folder: string, path: string): string {
  const folders = folder.split("/");
  const above = folders.at(-2);
  if (above === undefined || (folders.length === 2 && splitOfFolder(above))) {
    throw new DatasetError(
      `Cannot tell the class of "${path}/${folder}": expected a folder of the class above the ` +
        "folder of the sequence",
    );
  }
  return above;
}
