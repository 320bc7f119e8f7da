/**
 * Reads and decodes radar composites beside the main thread, so that neither unpacking nor HDF5
 * ever holds up a training step. Answers each `DecodeRequest` with a `DecodeReply`.
 */
import { parentPort } from "node:worker_threads";
import { DatasetError } from "./dataset.ts";
import { readBytes } from "./files.ts";
import { parseFmiComposite } from "./fmi_composite.ts";
import type { RadarFrame } from "./radar_frame.ts";

export interface DecodeRequest {
  readonly id: number;
  readonly path: string;
}

export type DecodeReply =
  | { readonly id: number; readonly frame: RadarFrame }
  | { readonly id: number; readonly failure: string };

parentPort?.on("message", (request: DecodeRequest) => void answer(request));

async function answer({ id, path }: DecodeRequest): Promise<void> {
  try {
    const frame = await decode(path);
    parentPort?.postMessage({ id, frame } satisfies DecodeReply, [frame.codes.buffer]);
  } catch (error) {
    const failure = error instanceof DatasetError
      ? error.message
      : `Cannot decode "${path}": ${error}`;
    parentPort?.postMessage({ id, failure } satisfies DecodeReply);
  }
}

async function decode(path: string): Promise<RadarFrame> {
  const bytes = await readBytes(path);
  if (!path.endsWith(".h5")) return parseFmiComposite(bytes, path);
  // Only where it is needed, because starting the HDF5 library takes 80 ms.
  const { parseKnmiComposite } = await import("./knmi_composite.ts");
  return parseKnmiComposite(bytes, path);
}
