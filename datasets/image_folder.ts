/**
 * Single images as files, in the usual layout of a folder for each class: each image is a
 * sequence of one frame, and its folder its class. Top folders named train, validation (val) and test
 * are the splits; without them the first 80 % of each class train, in the order of their names, so
 * that every class is in every split.
 */
import { type Dataset, DatasetError } from "./dataset.ts";
import { classesInTurn, dividedByClass } from "./divided_by_class.ts";
import {
  allForTest,
  areSplits,
  classNotes,
  dividedByFolders,
  listPictureFolders,
  splitOfFolder,
} from "./picture_folders.ts";
import {
  type PictureSequence,
  pictureSequences,
  type PictureSequencesOptions,
} from "./picture_sequences.ts";
import { type Picture, surveyPictures } from "./picture_survey.ts";
import type { FileSplit } from "./split_ranges.ts";

export interface ImageFolderOptions extends PictureSequencesOptions {
  /** Whether images without a folder of a class are refused. */
  readonly classes: boolean;
  /** Whether images are cut into splits, or are all for test. @default {"parts"} */
  readonly fileSplit?: FileSplit;
  /** With "skip", a file that cannot be decoded is left out. */
  readonly onBadFile?: "stop" | "skip";
}

interface Image extends PictureSequence {
  /** Below the root, with "/" between its parts. */
  readonly folder: string;
}

/**
 * @throws {DatasetError} if there are no images, one is broken or of another size than the first, or
 *   some lack a class that others have
 */
export async function openImageFolder(options: ImageFolderOptions): Promise<Dataset> {
  const { path, onBadFile = "stop" } = options;
  const { folders, notes } = await listPictureFolders(
    path,
    "images",
    "put the images of each class into a folder of its own",
  );
  const files = folders.flatMap(({ folder, names }) =>
    names.map((name) => ({ folder, name: folder === "" ? name : `${folder}/${name}` }))
  );
  const pathOf = (name: string) => `${path}/${name}`;
  let first: Picture | undefined;
  const { sizes, failures } = await surveyPictures(
    files.map(({ name }) => pathOf(name)),
    onBadFile,
    (picture) => checkSameSize(picture, first ??= picture),
  );
  const hasSplits = areSplits(files, true);
  notes.push(...classNotes(files, hasSplits));
  const images = files.filter(({ name }) => sizes.has(pathOf(name))).map((file): Image => ({
    ...file,
    frames: [pathOf(file.name)],
    className: classOf(file.folder, hasSplits),
  }));
  const bare = images.find(({ className }) => className === undefined);
  if (bare && (options.classes || images.some(({ className }) => className !== undefined))) {
    throw new DatasetError(
      `Cannot tell the class of "${path}/${bare.name}": expected a folder of the class around it` +
        (options.classes ? "" : ", as around other images; move it into one"),
    );
  }
  const divided = options.fileSplit === "test"
    ? allForTest(images, path, hasSplits)
    : hasSplits
    ? dividedByFolders(images, path)
    : undefined;
  const sequences = divided
    ? {
      train: classesInTurn(divided.train),
      validation: classesInTurn(divided.validation),
      test: classesInTurn(divided.test),
    }
    : dividedByClass(images, "images", path);
  return pictureSequences("Single images", options, sequences, {
    ...{ sizes: first ? [first.size] : [], failures, notes },
  });
}

function checkSameSize({ path, size }: Picture, first: Picture): void {
  if (`${size}` === `${first.size}`) return;
  throw new DatasetError(
    `Cannot use "${path}" of ${size.join("x")} pixels beside "${first.path}" of ` +
      `${first.size.join("x")}: single images must have one size; resize them or move it elsewhere`,
  );
}

/** Its folder, without that of the split; undefined where there is no other. */
function classOf(folder: string, hasSplits: boolean): string | undefined {
  const isInSplit = hasSplits && splitOfFolder(folder);
  const own = isInSplit ? folder.split("/").slice(1).join("/") : folder;
  return own === "" ? undefined : own;
}
