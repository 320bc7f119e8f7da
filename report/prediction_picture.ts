/**
 * One picture that shows what a model has learnt: for a few sequences the true frames, below them
 * the predicted ones, below those how far they are apart, time running to the right. Long sequences
 * are thinned out so that the frames stay large enough to judge.
 */
import { colourScale } from "./colour_scale.ts";
import { accent, background, ink, muted, rule } from "./ink.ts";
import { legendOf } from "./legend.ts";
import { missesAny } from "./missing_hatch.ts";
import {
  checkShapes,
  type PredictedSequence,
  type PredictionKind,
  rowsOf,
  sideBySide,
} from "./predicted_sequence.ts";
import { Raster, textHeight, textWidth } from "./raster.ts";

export interface PredictionPicture {
  readonly title: string;
  /** At least one; all of one shape. */
  readonly sequences: readonly PredictedSequence[];
  /**
   * `rain` draws -10 to 60 dBZ, as the radar datasets scale it, and `vil` vertically integrated
   * liquid of 255, as SEVIR does, each with a colour bar. Frames of three channels have colours of
   * their own.
   */
  readonly scale: "gray" | "rain" | "vil" | "classes";
  /** Names, for the scale of classes. */
  readonly classes?: readonly string[];
  readonly predicts: PredictionKind;
}

const COLUMNS_MAX = 10;
const FRAME_PIXELS_MIN = 120;
const MARGIN = 28;
const FRAME_GAP = 4;
const GROUP_GAP = 18;
const SEQUENCE_GAP = 22;
const LABEL_DOT = 2;
const TITLE_DOT = 3;

/**
 * Draws the sequences below each other; single images side by side.
 * @returns a PNG of 8-bit RGB
 * @throws {RangeError} if an array's length contradicts its shape, or the shapes differ
 */
export function renderPredictions(picture: PredictionPicture): Uint8Array {
  checkShapes(picture.sequences);
  const sequences = sideBySide(picture.sequences);
  const { frames, inputFrames, height, width } = sequences[0];
  const rowNames = rowsOf(sequences[0], picture.predicts, picture.scale).map(({ name }) => name);
  const zoom = Math.max(1, Math.ceil(FRAME_PIXELS_MIN / Math.max(height, width)));
  const [cellWidth, cellHeight] = [width * zoom, height * zoom];
  const columns = chooseColumns(frames, inputFrames);

  const framesLeft = MARGIN + Math.max(...rowNames.map((name) => textWidth(name, LABEL_DOT))) + 16;
  const leftOf = (index: number) =>
    framesLeft + index * (cellWidth + FRAME_GAP) +
    (columns[index] >= inputFrames ? GROUP_GAP - FRAME_GAP : 0);
  const inputs = columns.filter((frame) => frame < inputFrames).length;
  const groupLeft = leftOf(Math.min(inputs, columns.length - 1));
  const right = leftOf(columns.length - 1) + cellWidth;
  const rowHeight = cellHeight + FRAME_GAP;
  const headTop = MARGIN + textHeight(TITLE_DOT) + 24;
  const bodyTop = headTop + 2 * textHeight(LABEL_DOT) + 40;
  const captionHeight = textHeight(LABEL_DOT) + 10;
  const sequenceHeight = captionHeight + rowNames.length * rowHeight + SEQUENCE_GAP;
  const bodyBottom = bodyTop + sequences.length * sequenceHeight - SEQUENCE_GAP;
  const legend = legendOf(picture.scale, picture.classes, sequences.some(missesAny));
  const labels = sequences.map(({ label }) => textWidth(label, LABEL_DOT));
  const raster = new Raster(
    Math.max(
      right,
      MARGIN + textWidth(picture.title, TITLE_DOT),
      groupLeft + textWidth(groupNames[picture.predicts], LABEL_DOT),
      leftOf(0) + Math.max(legend.width, ...labels),
    ) + MARGIN,
    bodyBottom + MARGIN + (legend.height > 0 ? 24 + legend.height : 0),
    background,
  );

  raster.text(picture.title, MARGIN, MARGIN, TITLE_DOT, ink);
  drawHead(raster, { columns, inputFrames, leftOf, cellWidth, top: headTop }, picture.predicts);
  for (const [number, sequence] of sequences.entries()) {
    const top = bodyTop + number * sequenceHeight;
    raster.text(sequence.label, leftOf(0), top, LABEL_DOT, muted);
    const rows = rowsOf(sequence, picture.predicts, picture.scale);
    for (const [row, { name, scale, frame: frameAt }] of rows.entries()) {
      const rowTop = top + captionHeight + row * rowHeight;
      const labelTop = rowTop + (cellHeight - textHeight(LABEL_DOT)) / 2 | 0;
      raster.text(name, MARGIN, labelTop, LABEL_DOT, ink);
      const colours = colourScale(scale);
      for (const [index, column] of columns.entries()) {
        const frame = frameAt(column);
        if (frame) raster.frame(frame, leftOf(index), rowTop, zoom, colours);
      }
    }
  }
  legend.draw(raster, leftOf(0), bodyBottom + 24);
  return raster.toPng();
}

/** Every n-th frame, counted back from the last input and from the last prediction. */
function chooseColumns(frames: number, inputFrames: number): number[] {
  const stride = Math.ceil(frames / COLUMNS_MAX);
  return Array.from({ length: frames }, (_, frame) => frame).filter((frame) => {
    const last = frame < inputFrames ? inputFrames - 1 : frames - 1;
    return (last - frame) % stride === 0;
  });
}

const groupNames: { readonly [predicts in PredictionKind]: string } = {
  forecast: "forecast from the input alone",
  future: "forecast of what nobody has seen",
  "next-frame": "each frame predicted from the true frames before it",
  reconstruction: "each frame through its code and back",
  answer: "the answer to each frame",
  nothing: "",
};

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
  predicts: PredictionKind,
): void {
  const inputs = columns.filter((frame) => frame < inputFrames).length;
  const ruleTop = top + textHeight(LABEL_DOT) + 6;
  for (
    const [name, from, to, colour, below] of [
      ["input", 0, inputs, muted, rule],
      [groupNames[predicts], inputs, columns.length, accent, accent],
    ] as const
  ) {
    if (to === from) continue;
    raster.text(name, leftOf(from), top, LABEL_DOT, colour);
    raster.fill(leftOf(from), ruleTop, leftOf(to - 1) + cellWidth - leftOf(from), 2, below);
  }
  for (const [index, frame] of columns.entries()) {
    const isLead = (predicts === "forecast" || predicts === "future") && frame >= inputFrames;
    const ownNumber = predicts === "future" ? frame - inputFrames + 1 : frame + 1;
    const text = isLead ? `+${frame - inputFrames + 1}` : `${ownNumber}`;
    const left = leftOf(index) + (cellWidth - textWidth(text, LABEL_DOT)) / 2 | 0;
    raster.text(text, left, ruleTop + 10, LABEL_DOT, muted);
  }
}
