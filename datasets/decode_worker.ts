/**
 * Reads and decodes files beside the main thread, so that neither unpacking nor HDF5 ever holds up a
 * training step. Answers each `DecodeMessage` with a `DecodeReply`.
 */
import { parentPort } from "node:worker_threads";
import { BrokenPart, DatasetError, DataUnavailable } from "./dataset.ts";
import { readBytes } from "./files.ts";
import { fmiMinutes, parseFmiComposite } from "./fmi_composite.ts";
import { hdf5Names } from "./radar_folder.ts";
import type { RadarChoice, RadarFrame } from "./radar_frame.ts";
import type { ImageSize } from "./resample.ts";
import type { SevirFile } from "./sevir_file.ts";
import type { SevirLayout } from "./sevir_layout.ts";

/** What may be asked for, and what comes of it. */
export interface Decodings {
  /** A radar composite. */
  readonly radar: {
    readonly request: { readonly path: string; readonly choice?: RadarChoice };
    readonly result: RadarFrame;
  };
  /** When it was measured, in minutes since 1970; undefined where it does not say so. */
  readonly radarMinutes: {
    readonly request: { readonly path: string };
    readonly result: number | undefined;
  };
  /** What a picture's header says of its size. */
  readonly imageSize: { readonly request: { readonly path: string }; readonly result: ImageSize };
  /** That a picture can be decoded. */
  readonly imageCheck: { readonly request: { readonly path: string }; readonly result: true };
  /** A picture in [0, 1], [rows, columns, channels]. */
  readonly image: {
    readonly request: {
      readonly path: string;
      readonly size: ImageSize;
      readonly channels: 1 | 3;
    };
    readonly result: Float32Array<ArrayBuffer>;
  };
  /** What a file of SEVIR holds. */
  readonly sevir: {
    readonly request: { readonly path: string; readonly layout?: SevirLayout };
    readonly result: SevirFile;
  };
  /** That all of one of its events can be read. */
  readonly sevirCheck: {
    readonly request: {
      readonly path: string;
      readonly event: number;
      readonly layout: SevirLayout;
    };
    readonly result: true;
  };
  /** Frames of one of its events in [0, 1], [frames, rows, columns]. */
  readonly sevirFrames: {
    readonly request: {
      readonly path: string;
      readonly event: number;
      readonly layout: SevirLayout;
      readonly offset: number;
      readonly frames: number;
      readonly size: ImageSize;
    };
    readonly result: Float32Array<ArrayBuffer>;
  };
}

export type Kind = keyof Decodings;

export interface DecodeMessage<K extends Kind = Kind> {
  readonly id: number;
  readonly kind: K;
  readonly request: Decodings[K]["request"];
}

export type DecodeReply =
  | { readonly id: number; readonly result: Decodings[Kind]["result"] }
  | { readonly id: number; readonly failure: string; readonly fault: Fault };

/** Whose: that of a whole file or a part of it, or of the system or the program, never a file's. */
export type Fault = "file" | "part" | "none of its own";

parentPort?.on("message", (message: DecodeMessage) => void answer(message));

async function answer({ id, kind, request }: DecodeMessage): Promise<void> {
  try {
    const { result, transfer } = await decode(kind, request);
    parentPort?.postMessage({ id, result } satisfies DecodeReply, transfer);
  } catch (error) {
    const failure = error instanceof DatasetError
      ? error.message
      : `Cannot decode "${request.path}": the decoder itself failed, which tells nothing of the ` +
        `file: ${error}`;
    parentPort?.postMessage({ id, failure, fault: faultOf(error) } satisfies DecodeReply);
  }
}

function faultOf(error: unknown): Fault {
  if (error instanceof BrokenPart) return "part";
  const isOfFile = error instanceof DatasetError && !(error instanceof DataUnavailable);
  return isOfFile ? "file" : "none of its own";
}

interface Decoded {
  readonly result: Decodings[Kind]["result"];
  /** Buffers that need not be copied. */
  readonly transfer: ArrayBuffer[];
}

/** Formats are loaded where they are needed, because starting the HDF5 library takes 80 ms. */
async function decode(kind: Kind, request: DecodeMessage["request"]): Promise<Decoded> {
  switch (kind) {
    case "radar": {
      const { path, choice } = request as Decodings["radar"]["request"];
      const bytes = await readBytes(path);
      const result = hdf5Names.test(path)
        ? (await import("./hdf5_composite.ts")).parseHdf5Composite(bytes, path, choice)
        : parseFmiComposite(bytes, path, choice);
      return { result, transfer: [result.codes.buffer] };
    }
    case "imageSize": {
      const { checkPicture } = await import("./picture_file.ts");
      return { result: await checkPicture(request.path), transfer: [] };
    }
    case "imageCheck": {
      const { verifyPicture } = await import("./picture_file.ts");
      await verifyPicture(request.path);
      return { result: true, transfer: [] };
    }
    case "radarMinutes": {
      const { path } = request;
      const bytes = await readBytes(path);
      const result = hdf5Names.test(path)
        ? (await import("./hdf5_composite.ts")).hdf5CompositeMinutes(bytes, path)
        : fmiMinutes(bytes, path);
      return { result, transfer: [] };
    }
    case "image": {
      const { path, size, channels } = request as Decodings["image"]["request"];
      const { decodePicture } = await import("./picture_file.ts");
      const result = decodePicture(await readBytes(path), path, size, channels);
      return { result, transfer: [result.buffer] };
    }
    case "sevir": {
      const { surveySevirFile } = await import("./sevir_file.ts");
      const { path, layout } = request as Decodings["sevir"]["request"];
      return { result: surveySevirFile(path, layout), transfer: [] };
    }
    case "sevirCheck": {
      const { checkSevirEvent } = await import("./sevir_file.ts");
      const { path, event, layout } = request as Decodings["sevirCheck"]["request"];
      checkSevirEvent(path, event, layout);
      return { result: true, transfer: [] };
    }
    case "sevirFrames": {
      const { readSevirFrames } = await import("./sevir_file.ts");
      const result = readSevirFrames(request as Decodings["sevirFrames"]["request"]);
      return { result, transfer: [result.buffer] };
    }
  }
}
