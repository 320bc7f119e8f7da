/**
 * How far off a forecaster is, frame by frame, over the times at which something truly happens where
 * that is known: one panel for each sequence, all to one scale.
 */
import { drawChart } from "./chart.ts";
import { background, muted } from "./ink.ts";
import { Raster } from "./raster.ts";

export interface TimelinePanel {
  readonly label: string;
  readonly frames: readonly {
    readonly frame: number;
    readonly isEvent?: boolean;
    readonly error: number;
    readonly persistenceError: number;
  }[];
}

const panelHeight = 340;

/**
 * @returns a PNG
 * @throws {RangeError} where there is no panel, or one without frames
 */
export function renderErrorTimeline(title: string, panels: readonly TimelinePanel[]): Uint8Array {
  if (panels.length === 0) throw new RangeError(`Cannot draw "${title}": no sequence is given`);
  let most = 0;
  for (const { error, persistenceError } of panels.flatMap(({ frames }) => frames)) {
    // A network that has diverged leaves gaps.
    for (const value of [error, persistenceError]) {
      if (value > most && value < Infinity) most = value;
    }
  }
  const charts = panels.map(({ label, frames }) =>
    drawChart({
      title: `${title}, ${label}`,
      horizontal: "frame",
      vertical: "mean squared error of the frame",
      height: panelHeight,
      width: 900,
      reaches: [0, most],
      bands: {
        name: "event",
        spans: frames.filter(({ isEvent }) => isEvent)
          .map(({ frame }): [number, number] => [frame + 0.5, frame + 1.5]),
      },
      series: [
        {
          name: "prediction",
          style: "line",
          points: frames.map(({ frame, error }) => [frame + 1, error]),
        },
        {
          name: "last frame repeated",
          style: "dashed",
          colour: muted,
          points: frames.map(({ frame, persistenceError }) => [frame + 1, persistenceError]),
        },
      ],
    })
  );
  const width = Math.max(...charts.map((chart) => chart.width));
  const picture = new Raster(width, charts.length * panelHeight, background);
  charts.forEach((chart, index) => picture.paste(chart, 0, index * panelHeight));
  return picture.toPng();
}
