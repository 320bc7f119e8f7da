/**
 * `deno task bench nowcast`: a trained forecaster of radar tiles on whole composites, beside
 * persistence and optical flow, by lead time. Rain moves tens of kilometres in an hour, so on a tile
 * nobody can know what flows in: here all three see the whole observed area, and are scored on the
 * pixels whose rain, by the optical flow, was inside of it.
 */
import { isRainDataset } from "../datasets/rain_dataset.ts";
import { minutesText } from "../datasets/scan_times.ts";
import { type FlagTable, helpText, parseFlags, UsageError } from "../launch/flags.ts";
import {
  openTrained,
  trainedFlags,
  type TrainedModel,
  trainedOptions,
} from "../launch/trained_model.ts";
import { systemClock } from "../net/clock.ts";
import { modelTitle } from "../net/run_configuration.ts";
import { ProgressLine, standardError } from "../report/progress_line.ts";
import { observedArea } from "./nowcast_area.ts";
import { type Nowcast, nowcasts, startsOf } from "./nowcast_forecasts.ts";
import { animation, inWords, plot } from "./nowcast_report.ts";
import { createNowcastScores } from "./nowcast_scores.ts";

const flags = {
  ...trainedFlags,
  thresholds: {
    kind: "numbers",
    value: "X,X,...",
    min: 0,
    max: 1000,
    help: "score rain of at least this, in mm/h",
    defaultText: "0.5,2",
  },
  side: {
    kind: "integer",
    value: "PIXELS",
    min: 16,
    max: 2000,
    help: "of the part of the area that the animation shows, where it rains most",
    defaultText: "192",
  },
  out: { kind: "text", value: "DIR", help: "folder for plots, animation and the scores as JSON" },
} as const satisfies FlagTable;

export async function run(args: string[]): Promise<unknown> {
  const given = parseFlags(args, flags);
  if (given.help) {
    console.log(helpText("Usage: deno task bench nowcast [flags]", flags));
    return;
  }
  const trained = await openTrained(await trainedOptions(given));
  const progress = new ProgressLine({ output: standardError, clock: systemClock });
  try {
    const thresholds = given.thresholds as readonly number[] | undefined ?? [0.5, 2];
    const { split, step, path } = trained;
    const { dataset, composites } = recordedRain(trained);
    const name = modelTitle(trained.configuration.model.name);
    const leads = trained.model.window.predictions;
    const scores = createNowcastScores({
      names: [name, "persistence", "optical flow"],
      ...{ leads, thresholds, relation: dataset.relation },
    });
    const area = observedArea(
      await composites.read(composites.scans(split)[0]),
      composites.rows,
      composites.columns,
    );
    const size = area.height * area.width;
    const starts = startsOf(composites, split, trained);
    let last: Nowcast | undefined;
    for await (const nowcast of nowcasts(trained, composites, area, starts)) {
      for (let lead = 0; lead < leads; lead++) {
        const part = (all: Float32Array) => all.subarray(lead * size, (lead + 1) * size);
        const { truth, model, persistence, flow } = nowcast;
        scores.add(lead, part(truth), [model, persistence, flow].map(part));
      }
      last = nowcast;
      const done = 1 + starts.indexOf(nowcast.from);
      progress.show([`forecast ${done}/${starts.length}`], done / starts.length);
    }
    progress.end();
    const result = scores.result();
    const timesOf = (scans: number[]) =>
      scans.map((scan) => minutesText(composites.minutes[scan])).join(", ");
    const heading = `${path} (step ${step}), ${split}, ${area.height}x${area.width} pixels, ` +
      `forecasts from the scans of ${timesOf(starts)}; ${dataset.description}`;
    console.error(`${heading}\n\n${inWords(result, composites.intervalMinutes)}`);
    const report = {
      ...{ checkpoint: path, step, split, minutes: composites.intervalMinutes },
      ...{ starts: starts.map((scan) => minutesText(composites.minutes[scan])), ...result },
    };
    if (given.out !== undefined) {
      const out = given.out as string;
      await Deno.mkdir(out, { recursive: true });
      await Deno.writeTextFile(`${out}/nowcast.json`, `${JSON.stringify(report, null, 2)}\n`);
      for (const [index, threshold] of thresholds.entries()) {
        await Deno.writeFile(
          `${out}/csi-${threshold}.png`,
          plot(result, index, composites.intervalMinutes),
        );
      }
      const side = Math.min(given.side as number | undefined ?? 192, area.height, area.width);
      const { intervalMinutes } = composites;
      const shown = { ...area, ...{ nowcast: last!, name, side, leads, intervalMinutes } };
      const minutes = composites.minutes[last!.from];
      await Deno.writeFile(`${out}/nowcast.gif`, animation({ ...shown, minutes }));
    }
    if (given.json) console.log(JSON.stringify(report));
    return report;
  } finally {
    progress.end();
    trained.close();
  }
}

function recordedRain({ dataset }: TrainedModel) {
  if (isRainDataset(dataset) && dataset.composites) {
    return { dataset, composites: dataset.composites };
  }
  throw new UsageError(
    "Cannot forecast whole composites: the run's data is none of recorded radar scans split by " +
      "time; train with --dataset radar --data FOLDER --dataset-options split=time",
  );
}
