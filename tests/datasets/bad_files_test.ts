/** What "skip" leaves out: files that are broken, and nothing that is the system's or the program's. */
import assert from "node:assert/strict";
import { Decoder, DecoderStopped } from "../../datasets/decoder.ts";
import { uniqueScans } from "../../datasets/radar_agreement.ts";
import { type RadarFrames, surveyScans } from "../../datasets/radar_survey.ts";
import { surveySevir } from "../../datasets/sevir_events.ts";

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
