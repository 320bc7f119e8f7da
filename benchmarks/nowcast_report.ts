/** What forecasts of whole composites scored, as tables, a plot and an animation. */
import { minutesText } from "../datasets/scan_times.ts";
import { renderLeadTimePlot } from "../report/lead_time_plot.ts";
import { renderNowcastAnimation } from "../report/nowcast_animation.ts";
import { formatTable } from "../report/table.ts";
import type { Nowcast } from "./nowcast_forecasts.ts";
import type { NowcastResult, NowcastScore } from "./nowcast_scores.ts";

const rounded = (value: number | null, digits = 3) => value === null ? "–" : value.toFixed(digits);

/** CSI by lead time, then the other scores of all lead times together. */
export function inWords({ forecasts, pixels }: NowcastResult, minutes: number): string {
  const thresholds = forecasts[0].pooled.events.map(({ threshold }) => threshold);
  const csi = (score: NowcastScore) => score.events.map((each) => rounded(each.csi));
  const across = <T>(list: (index: number) => T[]) => thresholds.flatMap((_, i) => list(i));
  const byLead = formatTable(
    [
      "min",
      "pixels",
      ...across((i) => forecasts.map(({ name }) => `${name} ≥ ${thresholds[i]}`)),
    ],
    pixels.map((count, lead) => [
      (lead + 1) * minutes,
      count,
      ...across((i) => forecasts.map(({ leads }) => csi(leads[lead])[i])),
    ]),
  );
  const pooled = formatTable(
    ["all lead times", "mm/h", "CSI", "POD", "FAR", "bias", "Rainfall-MSE", "correlation"],
    forecasts.flatMap(({ name, pooled: { events, rainfallMse, correlation } }) =>
      events.map(({ threshold, csi, pod, far, bias }) => [
        ...[name, threshold, rounded(csi), rounded(pod), rounded(far), rounded(bias)],
        ...[rounded(rainfallMse), rounded(correlation)],
      ])
    ),
  );
  return `CSI, mm/h\n${byLead}\n\n${pooled}`;
}

export function plot({ forecasts }: NowcastResult, index: number, minutes: number): Uint8Array {
  const { threshold } = forecasts[0].pooled.events[index];
  return renderLeadTimePlot({
    title: `rain of ${threshold} mm/h and more`,
    score: "CSI",
    forecasts: forecasts.map(({ name, leads }) => ({
      name,
      scores: leads.map(({ events }) => events[index].csi),
    })),
    minutes,
    reaches: [0],
  });
}

export interface ShownNowcast {
  readonly nowcast: Nowcast;
  /** Of the network. */
  readonly name: string;
  readonly height: number;
  readonly width: number;
  /** Of the square that is shown, where the truth has most rain. */
  readonly side: number;
  readonly leads: number;
  /** Of the last scan seen, in minutes since 1970, and between scans. */
  readonly minutes: number;
  readonly intervalMinutes: number;
}

/** @returns a GIF of truth, network and optical flow */
export function animation(shown: ShownNowcast): Uint8Array {
  const { nowcast: { seen, truth, model, flow }, height, width, side, leads } = shown;
  const inputFrames = seen.length / (height * width);
  const { top, left } = wettest(truth, leads, shown);
  const cut = (all: Float32Array, count: number) =>
    Array.from({ length: count }, (_, index) => {
      const part = new Float32Array(side * side);
      for (let row = 0; row < side; row++) {
        const start = (index * height + top + row) * width + left;
        part.set(all.subarray(start, start + side), row * side);
      }
      return part;
    });
  return renderNowcastAnimation({
    title: `${minutesText(shown.minutes).replace("T", " ")} UTC`,
    ...{ height: side, width: side, inputFrames, minutes: shown.intervalMinutes },
    truth: [...cut(seen, inputFrames), ...cut(truth, leads)],
    forecasts: [
      { name: shown.name, frames: cut(model, leads) },
      { name: "optical flow", frames: cut(flow, leads) },
    ],
  });
}

/** The square, fully observed where there is one, with the largest sum of values. */
function wettest(
  truth: Float32Array,
  frames: number,
  { height, width, side }: { height: number; width: number; side: number },
): { top: number; left: number } {
  const every = 16;
  let [best, most] = [{ top: 0, left: 0 }, -Infinity];
  for (let top = 0; top + side <= height; top += every) {
    for (let left = 0; left + side <= width; left += every) {
      let sum = 0;
      for (let frame = 0; frame < frames; frame += 4) {
        for (let row = top; row < top + side; row += 4) {
          for (let column = left; column < left + side; column += 4) {
            const value = truth[(frame * height + row) * width + column];
            // What is not observed shows nothing.
            sum += Number.isNaN(value) ? -1 : value;
          }
        }
      }
      if (sum > most) [best, most] = [{ top, left }, sum];
    }
  }
  return best;
}
