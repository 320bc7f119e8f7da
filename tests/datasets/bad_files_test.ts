/** What "skip" leaves out: files that are broken, and nothing that is the system's or the program's. */
import assert from "node:assert/strict";
import { DataUnavailable } from "../../datasets/dataset.ts";
import { Decoder, DecoderStopped } from "../../datasets/decoder.ts";
import { surveyPictures } from "../../datasets/picture_survey.ts";
import { uniqueScans } from "../../datasets/radar_agreement.ts";
import { type RadarFrames, surveyScans } from "../../datasets/radar_survey.ts";
import { surveySevir } from "../../datasets/sevir_events.ts";
import { withFolder } from "./temporary_folder.ts";

const sevir = new URL("../fixtures/datasets/sevir/vil/2018/", import.meta.url).pathname +
  "SEVIR_VIL_STORMEVENTS_2018_0101_0630.h5";

Deno.test("a decoder that stopped is told, whatever is to be skipped", async () => {
  const decoder = new Decoder();
  decoder.close();
  const stopped = { name: "DatasetError", message: /^Cannot decode .*: the dataset is closed$/ };
  await assert.rejects(
    surveySevir(decoder, {
      ...{ files: [sevir], layout: undefined, onBadFile: "skip", catalogue: undefined },
      ...{ cataloguePath: "", checkedBytesMax: 1e9 },
    }),
    stopped,
  );
  const stops = () =>
    Promise.reject(new DecoderStopped("Cannot decode a file: the thread stopped"));
  const scans = [{ path: "a", minutes: 5 }, { path: "bb", minutes: 5 }];
  await assert.rejects(uniqueScans(scans, stops, "skip"), /the thread stopped$/);
  await assert.rejects(
    surveyScans(scans, { get: stops } as unknown as RadarFrames, {
      ...{ frameSize: 8, tileStep: 8, onBadFile: "skip", missingMax: 0, failures: [] },
    }),
    DecoderStopped,
  );
});

Deno.test("what the system does not give is told, and a broken file left out", async () => {
  await withFolder({ "broken.png": new Uint8Array(8) }, async (folder) => {
    const missing = [`${folder}/broken.png`, `${folder}/gone.png`];
    await assert.rejects(surveyPictures(missing, "skip"), {
      name: "DatasetError",
      message: `Cannot read "${folder}/gone.png": no such file or folder`,
    });
    await assert.rejects(
      surveyPictures(missing.slice(0, 1), "skip"),
      /^.*Cannot use any of 1 pict/,
    );
    const decoder = new Decoder();
    try {
      // A folder that opens as a file does and cannot be read: HDF5 only says that it failed.
      const frames = { event: 0, layout: "NHWT", offset: 0, frames: 1, size: [8, 8] } as const;
      for (const path of [folder, `${folder}/gone.h5`]) {
        await assert.rejects(decoder.decode("sevirFrames", { ...frames, path }), DataUnavailable);
      }
      // No fault of a file, but of whoever asks.
      const unknown = decoder.decode("nothing" as "imageSize", { path: "a.png" });
      await assert.rejects(unknown, (error) => error instanceof DataUnavailable);
    } finally {
      decoder.close();
    }
  });
});
