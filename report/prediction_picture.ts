/**
 * One picture that shows what a model has learnt: for a few sequences the true frames, below them
 * the predicted ones, below those how far they are apart, time running to the right. Long sequences
 * are thinned out so that the frames stay large enough to judge.
 */
import { type Colour, colourScale } from "./colour_scale.ts";
import { Raster, textHeight, textWidth } from "./raster.ts";

export interface PredictedSequence {
  /** What it is, e.g. "test/000017". */
  readonly label: string;
  /** [frames, height, width], values in [0, 1] */
  readonly truth: Float32Array;
  /** [frames - inputFrames, height, width]: what was predicted for the frames after the input. */
  readonly predictions: Float32Array;
  readonly inputFrames: number;
  readonly frames: number;
  readonly height: number;
  readonly width: number;
}

export interface PredictionPicture {
  readonly title: string;
  /** At least one; all of one shape. */
  readonly sequences: readonly PredictedSequence[];
  /** `rain` draws -10 to 60 dBZ, as the radar datasets scale it, and a colour bar. */
  readonly scale: "gray" | "rain";
  /**
   * `forecast`: everything after the input frames comes from them alone. `next-frame`: every frame is
   * predicted from the true frames before it.
   */
  readonly predicts: "forecast" | "next-frame";
}

const BACKGROUND: Colour = [255, 255, 255];
const INK: Colour = [24, 30, 42];
const MUTED: Colour = [112, 120, 134];
const RULE: Colour = [205, 210, 218];
const ACCENT: Colour = [37, 99, 235];
const ROW_NAMES = ["truth", "prediction", "error"];

const COLUMNS_MAX = 10;
const FRAME_PIXELS_MIN = 120;
const MARGIN = 28;
const FRAME_GAP = 4;
const GROUP_GAP = 18;
const SEQUENCE_GAP = 22;
const LABEL_DOT = 2;
const TITLE_DOT = 3;
const LEGEND_WIDTH = 420;
const LEGEND_HEIGHT = 14;

/**
 * Draws the sequences below each other.
 * @returns a PNG of 8-bit RGB
 * @throws {RangeError} if an array's length contradicts its shape, or the shapes differ
 */
export function renderPredictions(picture: PredictionPicture): Uint8Array {
  checkShapes(picture.sequences);
  const { frames, inputFrames, height, width } = picture.sequences[0];
  const zoom = Math.max(1, Math.ceil(FRAME_PIXELS_MIN / Math.max(height, width)));
  const [cellWidth, cellHeight] = [width * zoom, height * zoom];
  const columns = chooseColumns(frames, inputFrames);

  const framesLeft = MARGIN + Math.max(...ROW_NAMES.map((name) => textWidth(name, LABEL_DOT))) + 16;
  const leftOf = (index: number) =>
    framesLeft + index * (cellWidth + FRAME_GAP) +
    (columns[index] >= inputFrames ? GROUP_GAP - FRAME_GAP : 0);
  const right = leftOf(columns.length - 1) + cellWidth;
  const rowHeight = cellHeight + FRAME_GAP;
  const headTop = MARGIN + textHeight(TITLE_DOT) + 24;
  const bodyTop = headTop + 2 * textHeight(LABEL_DOT) + 40;
  const captionHeight = textHeight(LABEL_DOT) + 10;
  const sequenceHeight = captionHeight + ROW_NAMES.length * rowHeight + SEQUENCE_GAP;
  const bodyBottom = bodyTop + picture.sequences.length * sequenceHeight - SEQUENCE_GAP;
  const hasLegend = picture.scale === "rain";
  const raster = new Raster(
    Math.max(right, MARGIN + textWidth(picture.title, TITLE_DOT)) + MARGIN,
    bodyBottom + MARGIN + (hasLegend ? 24 + LEGEND_HEIGHT + 8 + 2 * textHeight(LABEL_DOT) + 4 : 0),
    BACKGROUND,
  );

  raster.text(picture.title, MARGIN, MARGIN, TITLE_DOT, INK);
  drawHead(raster, { columns, inputFrames, leftOf, cellWidth, top: headTop }, picture.predicts);
  const values = colourScale(picture.scale);
  const errors = colourScale("error");
  for (const [number, sequence] of picture.sequences.entries()) {
    const top = bodyTop + number * sequenceHeight;
    raster.text(sequence.label, framesLeft, top, LABEL_DOT, MUTED);
    for (const [row, name] of ROW_NAMES.entries()) {
      const rowTop = top + captionHeight + row * rowHeight;
      const labelTop = rowTop + (cellHeight - textHeight(LABEL_DOT)) / 2 | 0;
      raster.text(name, MARGIN, labelTop, LABEL_DOT, INK);
      for (const [index, frame] of columns.entries()) {
        if (row > 0 && frame < inputFrames) continue;
        const shown = { values: rowValues(sequence, row, frame), height, width };
        raster.frame(shown, leftOf(index), rowTop, zoom, row === 2 ? errors : values);
      }
    }
  }
  if (hasLegend) drawLegend(raster, framesLeft, bodyBottom + 24);
  return raster.toPng();
}

/** Truth, prediction or absolute error of one frame. */
function rowValues(sequence: PredictedSequence, row: number, frame: number): Float32Array {
  const pixels = sequence.height * sequence.width;
  const truth = sequence.truth.subarray(frame * pixels, (frame + 1) * pixels);
  if (row === 0) return truth;
  const index = frame - sequence.inputFrames;
  const prediction = sequence.predictions.subarray(index * pixels, (index + 1) * pixels);
  return row === 1 ? prediction : prediction.map((value, i) => Math.abs(value - truth[i]));
}

/** Every n-th frame, counted back from the last input and from the last prediction. */
function chooseColumns(frames: number, inputFrames: number): number[] {
  const stride = Math.ceil(frames / COLUMNS_MAX);
  return Array.from({ length: frames }, (_, frame) => frame).filter((frame) => {
    const last = frame < inputFrames ? inputFrames - 1 : frames - 1;
    return (last - frame) % stride === 0;
  });
}

const groupNames = {
  forecast: "forecast from the input alone",
  "next-frame": "each frame predicted from the true frames before it",
} as const;

/** Names of the two groups over a rule each, and the number of every frame. */
function drawHead(
  raster: Raster,
  { columns, inputFrames, leftOf, cellWidth, top }: {
    columns: readonly number[];
    inputFrames: number;
    leftOf: (index: number) => number;
    cellWidth: number;
    top: number;
  },
  predicts: PredictionPicture["predicts"],
): void {
  const inputs = columns.filter((frame) => frame < inputFrames).length;
  const ruleTop = top + textHeight(LABEL_DOT) + 6;
  for (
    const [name, from, to, colour, rule] of [
      ["input", 0, inputs, MUTED, RULE],
      [groupNames[predicts], inputs, columns.length, ACCENT, ACCENT],
    ] as const
  ) {
    if (to === from) continue;
    raster.text(name, leftOf(from), top, LABEL_DOT, colour);
    raster.fill(leftOf(from), ruleTop, leftOf(to - 1) + cellWidth - leftOf(from), 2, rule);
  }
  for (const [index, frame] of columns.entries()) {
    const isLead = predicts === "forecast" && frame >= inputFrames;
    const text = isLead ? `+${frame - inputFrames + 1}` : `${frame + 1}`;
    const left = leftOf(index) + (cellWidth - textWidth(text, LABEL_DOT)) / 2 | 0;
    raster.text(text, left, ruleTop + 10, LABEL_DOT, MUTED);
  }
}

/** The rain scale's colour bar over reflectivities, and the rain that they stand for. */
function drawLegend(raster: Raster, left: number, top: number): void {
  const colours = colourScale("rain");
  for (let x = 0; x < LEGEND_WIDTH; x++) {
    raster.fill(left + x, top, 1, LEGEND_HEIGHT, colours(x / (LEGEND_WIDTH - 1)));
  }
  const rows = [["dBZ", (dbz: number) => String(dbz)], ["mm/h", rainRateText]] as const;
  for (const [row, [unit, describe]] of rows.entries()) {
    const labelTop = top + LEGEND_HEIGHT + 8 + row * (textHeight(LABEL_DOT) + 4);
    for (let dbz = 0; dbz <= 60; dbz += 10) {
      const text = describe(dbz);
      const center = left + LEGEND_WIDTH * (dbz + 10) / 70 | 0;
      raster.text(text, center - (textWidth(text, LABEL_DOT) >> 1), labelTop, LABEL_DOT, MUTED);
    }
    raster.text(unit, left + LEGEND_WIDTH + 32, labelTop, LABEL_DOT, row === 0 ? INK : MUTED);
  }
}

/** By Marshall and Palmer's relation Z = 200 R^1.6, which weather services print on such bars. */
function rainRateText(dbz: number): string {
  return String(Number(((10 ** (dbz / 10) / 200) ** (1 / 1.6)).toPrecision(2)));
}

function checkShapes(sequences: readonly PredictedSequence[]): void {
  if (sequences.length === 0) throw new RangeError("Cannot draw predictions: no sequences given");
  const [{ frames, inputFrames, height, width }] = sequences;
  for (const sequence of sequences) {
    const shape = [sequence.frames, sequence.inputFrames, sequence.height, sequence.width];
    if (shape.join() !== [frames, inputFrames, height, width].join()) {
      throw new RangeError(
        `Cannot draw "${sequence.label}": its frames, input frames, height and width are ` +
          `[${shape.join(", ")}], those of the first sequence [${
            [frames, inputFrames, height, width].join(", ")
          }]`,
      );
    }
    for (
      const [name, count] of [["truth", frames], ["predictions", frames - inputFrames]] as const
    ) {
      const expected = count * height * width;
      if (sequence[name].length !== expected) {
        throw new RangeError(
          `Cannot draw "${sequence.label}": ${name} has ${sequence[name].length} values, ` +
            `its shape [${count}, ${height}, ${width}] needs ${expected}`,
        );
      }
    }
  }
}
