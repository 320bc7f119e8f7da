/**
 * All folders below one, as people make them: hidden ones and what archives and file managers leave
 * beside the data are passed over, and links are followed, each real folder once.
 */
import { dirname } from "node:path";
import { DatasetError } from "./dataset.ts";
import { attempt } from "./files.ts";
import { comparePaths } from "./name_order.ts";

export interface WalkedFolder {
  /** Below the root, with "/" between its parts; "" is the root. */
  readonly folder: string;
  /** Names of the files that lie in it, in no order. */
  readonly names: readonly string[];
}

export interface Walk {
  /** Parents before children, in the order of their names. */
  readonly folders: readonly WalkedFolder[];
  /** What was done about links, for the description of the data. */
  readonly notes: readonly string[];
  /** Real paths of folders that links to folders or files lead to. */
  readonly linked: readonly string[];
}

const foldersMax = 1_000_000;
const filesMax = 1_000_000;
/** Folders of macOS archives, network storages and disks. */
const leftovers = ["__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"];

/** Whether a file or folder is none of the data. */
export function isLeftover(name: string): boolean {
  return name.startsWith(".") || leftovers.includes(name);
}

interface Place {
  /** With links in it. */
  readonly path: string;
  readonly folder: string;
  /** Without links. */
  readonly real: string;
}

/** @throws {DatasetError} where a folder cannot be read */
export async function walkFolders(root: string): Promise<Walk> {
  const walk = new FolderWalk(await attempt(root, () => Deno.realPath(root)));
  await walk.visit({ path: root, folder: "", real: walk.root });
  await walk.followLinks();
  const folders = walk.folders.sort((one, two) => comparePaths(one.folder, two.folder));
  return { folders, notes: walk.notes(), linked: [...walk.linked] };
}

export interface FilesBelow {
  /** Paths below the root, with "/" between their parts, sorted. */
  readonly names: readonly string[];
  /** As those of a walk. */
  readonly notes: readonly string[];
}

/** @throws {DatasetError} where a folder cannot be read, or there are too many files */
export async function filesBelow(root: string): Promise<FilesBelow> {
  const { folders, notes } = await walkFolders(root);
  const count = folders.reduce((sum, { names }) => sum + names.length, 0);
  if (count > filesMax) {
    throw new DatasetError(
      `Cannot list "${root}": it holds more than ${filesMax} files; name a folder of it`,
    );
  }
  const names = folders.flatMap(({ folder, names }) =>
    names.map((name) => folder === "" ? name : `${folder}/${name}`)
  );
  return { names: names.sort(), notes };
}

class FolderWalk {
  readonly root: string;
  readonly folders: WalkedFolder[] = [];
  readonly linked = new Set<string>();
  /** Real paths of folders that were visited, with where. */
  readonly #visited = new Map<string, string>();
  /** Links to folders: what lies in the tree itself is visited before what only links lead to. */
  readonly #links: Place[] = [];
  readonly #followed: string[] = [];
  readonly #left: string[] = [];

  constructor(root: string) {
    this.root = root;
  }

  async visit({ path, folder, real }: Place): Promise<void> {
    const before = this.#visited.get(real);
    if (before !== undefined) {
      this.#left.push(`"${folder}", which is "${before || "."}" again`);
      return;
    }
    if (this.#visited.size === foldersMax) {
      throw new DatasetError(`Cannot list "${this.root}": it has more than ${foldersMax} folders`);
    }
    this.#visited.set(real, folder);
    const names: string[] = [];
    const below: string[] = [];
    for (const entry of await attempt(path, () => Array.fromAsync(Deno.readDir(path)))) {
      const { name } = entry;
      if (isLeftover(name)) continue;
      if (entry.isFile) names.push(name);
      else if (entry.isDirectory) below.push(name);
      else if (entry.isSymlink) await this.#meetLink(path, folder, name, names);
    }
    this.folders.push({ folder, names });
    for (const name of below.sort()) {
      await this.visit({
        path: `${path}/${name}`,
        folder: folder === "" ? name : `${folder}/${name}`,
        real: `${real === "/" ? "" : real}/${name}`,
      });
    }
  }

  async #meetLink(path: string, folder: string, name: string, names: string[]): Promise<void> {
    const link = `${path}/${name}`;
    const shown = folder === "" ? name : `${folder}/${name}`;
    let target: { readonly info: Deno.FileInfo; readonly real: string };
    try {
      target = { info: await Deno.stat(link), real: await Deno.realPath(link) };
    } catch {
      // Where a file is meant, reading it will say so.
      if (/\.\w+$/.test(name)) names.push(name);
      else this.#left.push(`"${shown}", a link that leads nowhere`);
      return;
    }
    this.linked.add(target.info.isDirectory ? target.real : dirname(target.real));
    if (target.info.isFile) names.push(name);
    if (!target.info.isDirectory) return;
    this.#links.push({ path: link, folder: shown, real: target.real });
  }

  async followLinks(): Promise<void> {
    // More are found on the way.
    while (this.#links.length > 0) {
      const link = this.#links.sort((one, two) => comparePaths(one.folder, two.folder)).shift()!;
      if (this.root.startsWith(link.real === "/" ? "/" : `${link.real}/`)) {
        this.#left.push(`"${link.folder}", a link to a folder around this one`);
        continue;
      }
      if (!this.#visited.has(link.real)) this.#followed.push(`"${link.folder}"`);
      await this.visit(link);
    }
  }

  notes(): string[] {
    const list = (count: number, some: readonly string[]) =>
      count === 1 ? some[0] : `${count} such as ${some[0]}`;
    return [
      ...this.#followed.length === 0
        ? []
        : [`followed links to folders: ${list(this.#followed.length, this.#followed)}`],
      ...this.#left.length === 0 ? [] : [`left out ${list(this.#left.length, this.#left)}`],
    ];
  }
}
