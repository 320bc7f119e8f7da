/**
 * Videos as folders of pictures, as KITTI, KTH and others are kept or extracted: each folder that
 * holds pictures is a sequence, its frames in the order of their names (2 before 10). Top folders
 * named train, validation (val) and test are the splits; without them the first 80 % of the
 * sequences train. With classes, the folder above a sequence is its class, and without folders of
 * the splits the first 80 % of each class train.
 */
import { type Dataset, DatasetError, type Split } from "./dataset.ts";
import { dividedByClass } from "./divided_by_class.ts";
import { type FolderVideos, type VideosBy, videosOfFolder } from "./frame_names.ts";
import {
  allForTest,
  areSplits,
  classNotes,
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
import { surveyPictures } from "./picture_survey.ts";
import { orAlongTime, type SequenceSplit } from "./sequence_parts.ts";
import { orAllForTest, splitRanges } from "./split_ranges.ts";

export interface FrameFolderOptions extends PictureSequencesOptions {
  /** As of files, or each video is cut along its time. @default {"parts"} */
  readonly fileSplit?: SequenceSplit;
  /** Whether the folder above each sequence is its class, to be answered for each frame. */
  readonly classes: boolean;
  /** Whether the videos of a folder are told apart by the names of their frames. @default {"auto"} */
  readonly videos?: VideosBy;
  /** With "skip", a file that cannot be decoded ends a sequence; another one begins after it. */
  readonly onBadFile?: "stop" | "skip";
}

/** Name of a video that is the root itself: the root may have another name on each worker. */
const rootName = ".";

interface Video extends PictureSequence {
  /** Below the root, with "/" between its parts. */
  readonly folder: string;
  /** The same of the video itself, which may be one of several in its folder. */
  readonly path: string;
}

/** @throws {DatasetError} if there are no pictures, or one is broken, or sequences lack a class */
export async function openFrameFolder(options: FrameFolderOptions): Promise<Dataset> {
  const { path, classes, onBadFile = "stop" } = options;
  const { folders, notes } = await listPictureFolders(
    path,
    "frames",
    "put the frames of each video into a folder of its own",
  );
  const named = namedVideos(folders, options, notes);
  const files = named.flatMap(({ frames }) => frames);
  const { sizes, failures } = await surveyPictures(files, onBadFile);
  const videos = named.flatMap((video) => soundParts(video, (file) => sizes.has(file)));
  const hasSplits = areSplits(videos, classes);
  const classed = (some: readonly Video[]): readonly Video[] =>
    classes
      ? some.map((each) => ({ ...each, className: classOf(each.path, path, hasSplits) }))
      : some;
  const divided = options.fileSplit === "time"
    ? dividedAlongTime(videos, path, hasSplits)
    : options.fileSplit === "test"
    ? allForTest(videos, path, hasSplits)
    : hasSplits
    ? dividedByFolders(videos, path)
    : undefined;
  const sequences = divided
    ? {
      train: classed(divided.train),
      validation: classed(divided.validation),
      test: classed(divided.test),
    }
    : classes
    ? dividedByClass(classed(videos), "videos", path)
    : dividedInOrder(videos, path);
  notes.push(...classNotes(videos, hasSplits));
  const findings = { sizes: [...sizes.values()], failures, notes };
  return pictureSequences("Frames", options, sequences, findings);
}

/** Every video that the folders hold; what is to be said of their names is added to `notes`. */
function namedVideos(
  folders: readonly PictureFolder[],
  { path, videos: by = "auto" }: FrameFolderOptions,
  notes: string[],
): Video[] {
  const known = new Set<string>();
  const parted: FolderVideos[] = [];
  const joined: FolderVideos[] = [];
  const all = folders.flatMap(({ folder, names }) => {
    const shown = folder === "" ? path : `${path}/${folder}`;
    const found = videosOfFolder(shown, names, by);
    if (found.doubt) (found.videos.length > 1 ? parted : joined).push(found);
    return found.videos.map(({ name, files }): Video => {
      const own = [folder, name ?? ""].filter((part) => part !== "").join("/");
      if (known.has(own)) {
        throw new DatasetError(
          `Cannot name the videos of "${path}": frames such as "${shown}/${files[0]}" would be ` +
            `"${own}", as others are; rename them or that folder`,
        );
      }
      known.add(own);
      const frames = files.map((each) => `${shown}/${each}`);
      return { folder, path: own, name: own || rootName, frames };
    });
  });
  notes.push(...doubtNotes(parted, joined));
  return all;
}

function doubtNotes(parted: readonly FolderVideos[], joined: readonly FolderVideos[]): string[] {
  const total = parted.reduce((sum, { videos }) => sum + videos.length, 0);
  const inFolders = (count: number) => count === 1 ? "1 folder" : `${count} folders`;
  const example = (some: readonly FolderVideos[]) =>
    some[0].doubt!.map((file) => `"${file}"`).join(" and ");
  return [
    ...parted.length === 0 ? [] : [
      `told ${total} videos of ${inFolders(parted.length)} apart by the text around the number, ` +
      `such as ${example(parted)}; videos=folder takes each folder as one`,
    ],
    ...joined.length === 0 ? [] : [
      `took ${inFolders(joined.length)} with files such as ${example(joined)} as one time line ` +
      "each; videos=names parts them at the text around the last number",
    ],
  ];
}

/** A video, or the parts that broken files leave of it. */
function soundParts(video: Video, isSound: (file: string) => boolean): Video[] {
  const parts: string[][] = [[]];
  for (const file of video.frames) {
    if (isSound(file)) parts.at(-1)!.push(file);
    else parts.push([]);
  }
  const left = parts.filter((frames) => frames.length > 0);
  return left.map((frames, index) => ({
    ...{ ...video, frames },
    name: left.length === 1 ? video.name : `${video.name}/part-${index}`,
  }));
}

/** The first frames of each video train, the next ones validate, and the last ones test. */
function dividedAlongTime(videos: readonly Video[], path: string, hasSplits: boolean) {
  if (hasSplits) {
    throw new DatasetError(
      `Cannot cut the videos of "${path}" along their time: their folders are named after splits ` +
        "already; leave split=time out",
    );
  }
  const cut = videos.map((video) => {
    const ranges = splitRanges(video.frames.length, `the frames of "${path}/${video.path}"`);
    return (split: Split): Video => ({ ...video, frames: video.frames.slice(...ranges[split]) });
  });
  return {
    train: cut.map((video) => video("train")),
    validation: cut.map((video) => video("validation")),
    test: cut.map((video) => video("test")),
  };
}

function dividedInOrder(videos: readonly Video[], path: string) {
  const ranges = splitRanges(videos.length, `the videos in "${path}"`, orAllForTest + orAlongTime);
  return {
    train: videos.slice(...ranges.train),
    validation: videos.slice(...ranges.validation),
    test: videos.slice(...ranges.test),
  };
}

/** The folder that holds the sequence's own, or several sequences. */
function classOf(video: string, path: string, hasSplits: boolean): string {
  const folders = video.split("/");
  const above = folders.at(-2);
  if (above === undefined || (folders.length === 2 && hasSplits && splitOfFolder(above))) {
    throw new DatasetError(
      `Cannot tell the class of "${path}/${video}": expected a folder of the class above the ` +
        "folder of the sequence",
    );
  }
  return above;
}
