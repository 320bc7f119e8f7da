/**
 * Single images as PNG files, in the usual layout of a folder for each class: each image is a
 * sequence of one frame, and its folder its class. Top folders named train, validation (val) and test
 * are the splits; without them the first 80 % of each class train, in the order of their names, so
 * that every class is in every split.
 */
import { type Dataset, DatasetError } from "./dataset.ts";
import { classesInTurn, dividedByClass } from "./divided_by_class.ts";
import { checkPicture } from "./picture_file.ts";
import {
  allForTest,
  dividedByFolders,
  listPictureFolders,
  type PictureFolder,
  splitOfFolder,
} from "./picture_folders.ts";
import {
  type PictureSequence,
  pictureSequences,
  type PictureSequencesOptions,
} from "./picture_sequences.ts";
import type { ImageSize } from "./resample.ts";

/** Files that are looked at together: there may be tens of thousands. */
const checkedTogether = 64;

export interface ImageFolderOptions extends PictureSequencesOptions {
  /** Whether images without a folder of a class are refused. */
  readonly classes: boolean;
  /** With "skip", a file that is no whole PNG is left out. */
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
  const failures: string[] = [];
  const found = await listPictureFolders(path);
  const { whole, size } = await wholeImages(found, onBadFile, failures);
  const images = whole.flatMap(({ folder, files }): Image[] =>
    files.map((file) => ({
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
    ...{ sizes: size ? [size] : [], failures },
  });
}

/** The images that can be decoded, as far as that can be told without doing it, and their size. */
async function wholeImages(
  folders: readonly PictureFolder[],
  onBadFile: "stop" | "skip",
  failures: string[],
): Promise<{ readonly whole: readonly PictureFolder[]; readonly size?: ImageSize }> {
  let first: { readonly file: string; readonly size: ImageSize } | undefined;
  const whole: PictureFolder[] = [];
  for (const { folder, files } of folders) {
    const left: string[] = [];
    for (let start = 0; start < files.length; start += checkedTogether) {
      const some = files.slice(start, start + checkedTogether);
      const checked = await Promise.allSettled(some.map(checkPicture));
      // One after the other, so that it is always the same file that is told of.
      checked.forEach((result, index) => {
        const file = some[index];
        if (result.status === "rejected") {
          const error = result.reason;
          if (onBadFile === "stop" || !(error instanceof DatasetError)) throw error;
          failures.push(error.message);
          return;
        }
        first ??= { file, size: result.value };
        checkSameSize(file, result.value, first);
        left.push(file);
      });
    }
    whole.push({ folder, files: left });
  }
  return { whole, size: first?.size };
}

function checkSameSize(
  file: string,
  size: ImageSize,
  first: { readonly file: string; readonly size: ImageSize },
): void {
  if (`${size}` === `${first.size}`) return;
  throw new DatasetError(
    `Cannot use "${file}" of ${size.join("x")} pixels beside "${first.file}" of ` +
      `${first.size.join("x")}: single images must have one size; resize them or move it elsewhere`,
  );
}

/** Its folder, without that of the split; undefined where there is no other. */
function classOf(folder: string): string | undefined {
  const own = splitOfFolder(folder) ? folder.split("/").slice(1).join("/") : folder;
  return own === "" ? undefined : own;
}
