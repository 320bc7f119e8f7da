/** Which folders hold PNG or JPEG files, and which of them are named after a split. */
import { basename, extname } from "node:path";
import { DatasetError, type Split } from "./dataset.ts";
import { walkFolders } from "./folder_walk.ts";
import { compareNames, comparePaths } from "./name_order.ts";

const splitFolders: Readonly<Record<string, Split>> = {
  train: "train",
  training: "train",
  validation: "validation",
  valid: "validation",
  val: "validation",
  test: "test",
  testing: "test",
};

const pictures = /\.(?:png|jpe?g)$/i;
/** What people have in place of them, or beside them. */
const otherPictures =
  /\.(?:gif|bmp|tiff?|webp|p[bgpn]m|avif|heic|jp2|mp4|m4v|avi|mov|mkv|webm|mpe?g)$/i;

export interface PictureFolder {
  /** Below the root, with "/" between its parts; "" is the root. */
  readonly folder: string;
  /** Names of its PNG and JPEG files, in natural order. */
  readonly names: readonly string[];
}

export interface PictureFolders {
  /** Every folder that holds PNG or JPEG files, parents before children, in natural order. */
  readonly folders: readonly PictureFolder[];
  /** What was left out or followed, for the description of the data. */
  readonly notes: string[];
}

/**
 * @param what names what is looked for in errors, e.g. "frames"
 * @param advice ends the error where there is none
 * @throws {DatasetError} where there are none, or a folder cannot be read
 */
export async function listPictureFolders(
  root: string,
  what: string,
  advice: string,
): Promise<PictureFolders> {
  const walk = await walkFolders(root);
  const folders = walk.folders.map(({ folder, names }) => ({
    folder,
    names: names.filter((name) => pictures.test(name)).sort(compareNames),
  })).filter(({ names }) => names.length > 0);
  const others = walk.folders.flatMap(({ folder, names }) =>
    names.filter((name) => otherPictures.test(name))
      .map((name) => folder === "" ? name : `${folder}/${name}`)
  ).sort(comparePaths);
  if (folders.length > 0) {
    const left = `left out ${others.length} files that are no PNG or JPEG, such as "${others[0]}"`;
    return { folders, notes: [...walk.notes, ...others.length === 0 ? [] : [left]] };
  }
  throw new DatasetError(
    others.length === 0
      ? `Cannot find ${what} in "${root}": no folder there holds PNG or JPEG files` +
        `${walk.notes.map((note) => ` (${note})`).join("")}; ${advice}`
      : `Cannot find ${what} in "${root}": found ${others.length} files such as "${others[0]}", ` +
        `but no PNG or JPEG; convert them, e.g. with ${conversionOf(others[0])}`,
  );
}

/** A command that people have or find. */
function conversionOf(file: string): string {
  return /\.(?:mp4|m4v|avi|mov|mkv|webm|mpe?g|gif)$/i.test(file)
    ? `ffmpeg -i ${basename(file)} %06d.png, the frames of each in a folder of its own`
    : `magick mogrify -format png *${extname(file)} in each folder`;
}

/** The split that the top folder is named after. */
export function splitOfFolder(folder: string): Split | undefined {
  return splitFolders[folder.split("/")[0].toLowerCase()];
}

interface InFolder {
  readonly name: string;
  /** Below the root, with "/" between its parts. */
  readonly folder: string;
}

/**
 * Whether top folders are splits. A class may have the name of a split where classes are wanted and
 * all others have other names and lie as deep: bus, car and train.
 */
export function areSplits(all: readonly InFolder[], takesClasses: boolean): boolean {
  const byTop = Map.groupBy(all, ({ folder }) => folder.split("/")[0]);
  const named = [...byTop.keys()].filter((top) => splitOfFolder(top));
  if (named.length !== 1 || byTop.size === 1 || !takesClasses) return named.length > 0;
  const depths = new Set(all.map(({ folder }) => folder.split("/").length));
  return depths.size > 1;
}

/** For the description of the data, where a folder could have been a split; else empty. */
export function classNotes(all: readonly InFolder[], hasSplits: boolean): string[] {
  if (hasSplits) return [];
  const named = all.find(({ folder }) => splitOfFolder(folder))?.folder.split("/")[0];
  return named === undefined ? [] : [`took "${named}" as a class, as the folders beside it`];
}

/**
 * What lies in folders that are named after the splits.
 * @throws {DatasetError} where something lies beside them, or nothing is to be trained on
 */
export function dividedByFolders<T extends InFolder>(
  all: readonly T[],
  root: string,
): Readonly<Record<Split, readonly T[]>> {
  const parts = Object.groupBy(all, ({ folder }) => splitOfFolder(folder) ?? "stray");
  const { train, validation = [], test = [], stray = [] } = parts;
  if (stray.length > 0) {
    throw new DatasetError(
      `Cannot tell the split of "${root}/${stray[0].name}": other folders lie in train, ` +
        "validation or test; move it into one of them",
    );
  }
  if (!train) {
    throw new DatasetError(`Cannot train on "${root}": its folder train holds no frames`);
  }
  return { train, validation, test };
}

/**
 * All of it for test.
 * @throws {DatasetError} where some lies in a folder that is named for training or validation
 */
export function allForTest<T extends InFolder>(
  all: readonly T[],
  root: string,
  hasSplits: boolean,
): Readonly<Record<Split, readonly T[]>> {
  const held = hasSplits
    ? all.find(({ folder }) => (splitOfFolder(folder) ?? "test") !== "test")
    : undefined;
  if (held) {
    throw new DatasetError(
      `Cannot take all of "${root}" for test: "${held.name}" lies in a folder for ` +
        `${splitOfFolder(held.folder) === "train" ? "training" : "validation"}; name the folder ` +
        "of those for test with --data, or leave split=test out",
    );
  }
  return { train: [], validation: [], test: all };
}
