/** Which folders hold PNG files, and which of them are named after a split. */
import { DatasetError, type Split } from "./dataset.ts";
import { attempt } from "./files.ts";

const splitFolders: Readonly<Record<string, Split>> = {
  train: "train",
  training: "train",
  validation: "validation",
  valid: "validation",
  val: "validation",
  test: "test",
  testing: "test",
};

/** 2 before 10. */
export const naturalOrder = new Intl.Collator("en", { numeric: true });

export interface PictureFolder {
  /** Below the root, with "/" between its parts; "" is the root. */
  readonly folder: string;
  /** Paths of its PNG files, in natural order. */
  readonly files: readonly string[];
}

/**
 * Every folder that holds PNG files, parents before children, in natural order.
 * @throws {DatasetError} where a folder cannot be read
 */
export async function listPictureFolders(root: string): Promise<PictureFolder[]> {
  const found: PictureFolder[] = [];
  const visit = async (path: string, folder: string) => {
    const entries = await attempt(path, () => Array.fromAsync(Deno.readDir(path)));
    entries.sort((one, two) => naturalOrder.compare(one.name, two.name));
    const files = entries.filter((entry) => !entry.isDirectory && /\.png$/i.test(entry.name));
    if (files.length > 0) found.push({ folder, files: files.map(({ name }) => `${path}/${name}`) });
    for (const { isDirectory, name } of entries) {
      if (isDirectory) await visit(`${path}/${name}`, folder === "" ? name : `${folder}/${name}`);
    }
  };
  await visit(root, "");
  return found;
}

/** The split that the top folder is named after. */
export function splitOfFolder(folder: string): Split | undefined {
  return splitFolders[folder.split("/")[0].toLowerCase()];
}

/**
 * What lies in folders that are named after the splits; undefined where there are none.
 * @throws {DatasetError} where something lies beside them, or nothing is to be trained on
 */
export function dividedByFolders<T extends { readonly name: string; readonly folder: string }>(
  all: readonly T[],
  root: string,
): Readonly<Record<Split, readonly T[]>> | undefined {
  const parts = Object.groupBy(all, ({ folder }) => splitOfFolder(folder) ?? "stray");
  const { train, validation = [], test = [], stray = [] } = parts;
  if (stray.length === all.length) return undefined;
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
export function allForTest<T extends { readonly name: string; readonly folder: string }>(
  all: readonly T[],
  root: string,
): Readonly<Record<Split, readonly T[]>> {
  const held = all.find(({ folder }) => (splitOfFolder(folder) ?? "test") !== "test");
  if (held) {
    throw new DatasetError(
      `Cannot take all of "${root}" for test: "${held.name}" lies in a folder for ` +
        `${splitOfFolder(held.folder) === "train" ? "training" : "validation"}; name the folder ` +
        "of those for test with --data, or leave split=test out",
    );
  }
  return { train: [], validation: [], test: all };
}
