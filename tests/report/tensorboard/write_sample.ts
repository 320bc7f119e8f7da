/** Writes a small run's event files, as a crash and a resume leave them, into the folder given. */
import { EventFile } from "../../../report/tensorboard/event_file.ts";
import { encodedImage } from "../../../report/tensorboard/event_message.ts";
import { histogramOf } from "../../../report/tensorboard/histogram.ts";
import { Raster } from "../../../report/raster.ts";

const timeOfDay = () => "2026-03-01T12:00:00.500Z";
const onLost = (path: string, error: unknown) => {
  throw new Error(`Cannot write ${path}`, { cause: error });
};

/**
 * Steps 1 to 3, of which the third is lost, and is done again with another loss after a resume.
 * @returns the two files' paths
 */
export function writeSampleEvents(folder: string): string[] {
  const first = new EventFile({ folder, resumedStep: 0, timeOfDay, onLost });
  first.hyperparameters("run-001", { "optimizer.name": "adam", lanes: 12, endless: false });
  for (const step of [1, 2, 3]) {
    first.summary(step, [
      { tag: "training/loss", scalar: 1 / step },
      { tag: "training/learningRate", scalar: 0.001 },
    ]);
  }
  const raster = new Raster(6, 4, [10, 200, 30]);
  first.summary(2, [
    { tag: "predictions", image: encodedImage(raster.toPng()) },
    { tag: "kernel", histogram: histogramOf(Float32Array.of(-1, 0, 0.5, 2, NaN))! },
  ]);
  first.close();
  // The crash came while a record was being written.
  Deno.writeFileSync(first.path, Uint8Array.of(60, 0, 0, 0, 0, 0, 0, 0, 1, 2), { append: true });
  const second = new EventFile({ folder, resumedStep: 2, timeOfDay, onLost });
  second.summary(3, [{ tag: "training/loss", scalar: 7 }]);
  // In one process: back to step 3, and step 4 done again.
  second.summary(4, [{ tag: "training/loss", scalar: 8 }]);
  second.restart(3);
  second.summary(4, [{ tag: "training/loss", scalar: 9 }]);
  second.close();
  return [first.path, second.path];
}

if (import.meta.main) writeSampleEvents(Deno.args[0]);
