/**
 * Single images as PNG files, in the usual layout of a folder for each class: each image is a
 * sequence of one frame, and its folder its class. Top folders named train, validation (val) and test
 * are the splits; without them the first 80 % of each class train, in the order of their names, so
 * that every class is in every split.
 */
import { type Dataset, DatasetError } from "./dataset.ts";
import { classesInTurn, dividedByClass } from "./divided_by_class.ts";
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
import { type Picture, surveyPictures } from "./picture_survey.ts";

export interface ImageFolderOptions extends PictureSequencesOptions {
  /** Whether images without a folder of a class are refused. */
  readonly classes: boolean;
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
  const found = await listPictureFolders(path);
  let first: Picture | undefined;
  const { sizes, failures } = await surveyPictures(
    found.flatMap(({ files }) => files),
    onBadFile,
    (picture) => checkSameSize(picture, first ??= picture),
  );
  const images = found.flatMap(({ folder, files }): Image[] =>
    files.filter((file) => sizes.has(file)).map((file) => ({
      folder,
      name: file.slice(path.length).replace(/^\/+/, ""),
      frames: [file],
      className: classOf(folder),
    }))
  );
  if (images.length === 0) {
    throw new DatasetError(
      `Cannot find images in "${path}": no folder there holds whole PNG files; put the images of ` +
        "each class into a folder of its own",
    );
  }
  const bare = images.find(({ className }) => className === undefined);
  if (bare && (options.classes || images.some(({ className }) => className !== undefined))) {
    throw new DatasetError(
      `Cannot tell the class of "${path}/${bare.name}": expected a folder of the class around it` +
        (options.classes ? "" : ", as around other images; move it into one"),
    );
  }
  const divided = options.fileSplit === "test"
    ? allForTest(images, path)
    : dividedByFolders(images, path);
  const sequences = divided
    ? {
      train: classesInTurn(divided.train),
      validation: classesInTurn(divided.validation),
      test: classesInTurn(divided.test),
    }
    : dividedByClass(images, "images", path);
  return pictureSequences("Single images", options, sequences, {
    ...{ sizes: first ? [first.size] : [], failures },
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
function classOf(folder: string): string | undefined {
  const own = splitOfFolder(folder) ? folder.split("/").slice(1).join("/") : folder;
  return own === "" ? undefined : own;
}
