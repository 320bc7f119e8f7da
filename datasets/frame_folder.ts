/**
 * Videos as folders of PNG frames, as KITTI, KTH and others are kept or extracted: each folder that
 * holds pictures is a sequence, its frames in the order of their names (2 before 10). Top folders
 * named train, validation (val) and test are the splits; without them the first 80 % of the
 * sequences train. With classes, the folder above a sequence is its class.
 */
import { ByteLimitedCache } from "./byte_limited_cache.ts";
import {
  type Dataset,
  DatasetError,
  type ReadRequest,
  type SequenceEntry,
  type Split,
} from "./dataset.ts";
import { Decoder } from "./decoder.ts";
import { attempt } from "./files.ts";
import { checkPicture } from "./picture_file.ts";
import { requestedEntry } from "./requested_entry.ts";
import { splitRanges } from "./split_ranges.ts";

const cacheBytesMaxDefault = 256 * 1024 * 1024;
const splitFolders: Readonly<Record<string, Split>> = {
  train: "train",
  training: "train",
  validation: "validation",
  valid: "validation",
  val: "validation",
  test: "test",
  testing: "test",
};
const naturalOrder = new Intl.Collator("en", { numeric: true });

export interface FrameFolderOptions {
  readonly path: string;
  /** Rows and columns that frames are resized to. */
  readonly frameSize: readonly [rows: number, columns: number];
  /** 1 for grey, 3 for colour. */
  readonly channels: 1 | 3;
  /** Whether the folder above each sequence is its class, to be answered for each frame. */
  readonly classes: boolean;
  /** With "skip", a file that is no whole PNG ends a sequence; another one begins after it. */
  readonly onBadFile?: "stop" | "skip";
  /** Of decoded frames. @default {256 MiB} */
  readonly cacheBytesMax?: number;
}

interface Video {
  readonly name: string;
  /** Below the root, with "/" between its parts. */
  readonly folder: string;
  readonly frames: readonly string[];
}

/** @throws {DatasetError} if there are no pictures, or one is broken, or sequences lack a class */
export async function openFrameFolder(options: FrameFolderOptions): Promise<Dataset> {
  const { path, onBadFile = "stop" } = options;
  const found = await listVideos(path);
  if (found.length === 0) {
    throw new DatasetError(
      `Cannot find frames in "${path}": no folder there holds PNG files; put the frames of each ` +
        "video into a folder of its own",
    );
  }
  const failures: string[] = [];
  const videos: Video[] = [];
  for (const video of found) videos.push(...await wholeParts(video, onBadFile, failures));
  return datasetOf(options, splitVideos(videos, path), failures);
}

async function listVideos(root: string): Promise<Video[]> {
  const videos: Video[] = [];
  const visit = async (folder: string, name: string) => {
    const entries = await attempt(folder, () => Array.fromAsync(Deno.readDir(folder)));
    entries.sort((one, two) => naturalOrder.compare(one.name, two.name));
    const frames = entries.filter((entry) => !entry.isDirectory && /\.png$/i.test(entry.name));
    if (frames.length > 0) {
      videos.push({ name, folder: name, frames: frames.map((frame) => `${folder}/${frame.name}`) });
    }
    for (const entry of entries) {
      if (!entry.isDirectory) continue;
      await visit(`${folder}/${entry.name}`, name === "" ? entry.name : `${name}/${entry.name}`);
    }
  };
  await visit(root, "");
  return videos;
}

/** The video, or what broken files leave of it. */
async function wholeParts(
  video: Video,
  onBadFile: "stop" | "skip",
  failures: string[],
): Promise<Video[]> {
  const parts: string[][] = [[]];
  for (const frame of video.frames) {
    try {
      await checkPicture(frame);
      parts.at(-1)!.push(frame);
    } catch (error) {
      if (onBadFile === "stop" || !(error instanceof DatasetError)) throw error;
      failures.push(error.message);
      parts.push([]);
    }
  }
  const left = parts.filter((frames) => frames.length > 0);
  return left.map((frames, index) => ({
    name: left.length === 1 ? video.name : `${video.name}/part-${index}`,
    folder: video.folder,
    frames,
  }));
}

type SplitVideos = Readonly<Record<Split, readonly Video[]>>;

function splitVideos(videos: readonly Video[], path: string): SplitVideos {
  const splitOf = ({ folder }: Video) => splitFolders[folder.split("/")[0].toLowerCase()];
  const named = videos.filter((video) => splitOf(video) !== undefined);
  if (named.length === 0) {
    const ranges = splitRanges(videos.length, `the folders of frames in "${path}"`);
    return {
      train: videos.slice(...ranges.train),
      validation: videos.slice(...ranges.validation),
      test: videos.slice(...ranges.test),
    };
  }
  const stray = videos.find((video) => splitOf(video) === undefined);
  if (stray) {
    throw new DatasetError(
      `Cannot tell the split of "${path}/${stray.name}": other folders lie in train, validation ` +
        "or test; move it into one of them",
    );
  }
  const parts = Object.groupBy(named, (video) => splitOf(video));
  if (!parts.train) {
    throw new DatasetError(`Cannot train on "${path}": its folder train holds no frames`);
  }
  return {
    train: parts.train,
    validation: parts.validation ?? [],
    test: parts.test ?? [],
  };
}

function datasetOf(
  options: FrameFolderOptions,
  videos: SplitVideos,
  failures: readonly string[],
): Dataset {
  const { path, frameSize: [rows, columns], channels, classes: hasClasses } = options;
  const decoder = new Decoder();
  const frames = new ByteLimitedCache<string, Float32Array>({
    load: (file) => decoder.decode("image", { path: file, size: [rows, columns], channels }),
    bytesOf: (frame) => frame.byteLength,
  }, options.cacheBytesMax ?? cacheBytesMaxDefault);
  const entriesOf = (split: Split): SequenceEntry[] =>
    videos[split].map(({ name, frames }) => ({
      id: name === "" ? "." : name,
      frames: frames.length,
    }));
  const catalogue = {
    train: entriesOf("train"),
    validation: entriesOf("validation"),
    test: entriesOf("test"),
  };
  const all = [...videos.train, ...videos.validation, ...videos.test];
  const classes = hasClasses
    ? [...new Set(all.map((video) => classOf(video, path)))].sort(naturalOrder.compare)
    : undefined;
  const left = failures.length === 0
    ? ""
    : `; left out ${failures.length} files that are no whole PNG, e.g.: ${
      failures[0].slice(0, 300)
    }`;
  return {
    name: "frames",
    frameShape: [rows, columns, channels],
    description: `Frames from ${path}, ${rows}x${columns}, ${catalogue.train.length} sequences ` +
      `for training, ${catalogue.validation.length} for validation, ${catalogue.test.length} for ` +
      `test${classes ? `, ${classes.length} classes` : ""}${left}`,
    unit: "white",
    ...(classes && { targetShape: [classes.length], classes }),
    catalogue: (split) => catalogue[split],
    async read(request) {
      requestedEntry(catalogue[request.split], request);
      const files = videos[request.split][request.sequence].frames;
      const wanted = files.slice(request.offset, request.offset + request.frames);
      const decoded = await Promise.all(wanted.map((file) => frames.get(file)));
      const values = new Float32Array(request.frames * rows * columns * channels);
      decoded.forEach((frame, index) => values.set(frame, index * frame.length));
      return values;
    },
    ...(classes && {
      readTargets(request: ReadRequest) {
        requestedEntry(catalogue[request.split], request);
        const place = classes.indexOf(classOf(videos[request.split][request.sequence], path));
        const answers = new Float32Array(request.frames * classes.length);
        for (let i = 0; i < request.frames; i++) answers[i * classes.length + place] = 1;
        return Promise.resolve(answers);
      },
    }),
    close: () => decoder.close(),
  };
}

/** The folder that holds the sequence's own. */
function classOf({ folder }: Video, path: string): string {
  const folders = folder.split("/");
  const above = folders.at(-2);
  if (above === undefined || (folders.length === 2 && splitFolders[above.toLowerCase()])) {
    throw new DatasetError(
      `Cannot tell the class of "${path}/${folder}": expected a folder of the class above the ` +
        "folder of the sequence",
    );
  }
  return above;
}
