/**
 * The rules of Moving MNIST (N. Srivastava, E. Mansimov, R. Salakhutdinov, "Unsupervised Learning
 * of Video Representations using LSTMs", 2015; their `data_handler.py`), as two pure functions:
 * how a digit moves, and how digits at given places become frames. A digit moves before the first
 * frame is drawn, bounces off the edges, and overlapping digits combine by maximum.
 */
import { digitSize } from "./mnist_digits.ts";

/** Share of the free room that a digit crosses in a frame. */
const step = 0.1;

/** A digit's course before its first step: place in the unit square and direction in radians. */
export interface Course {
  readonly x: number;
  readonly y: number;
  readonly angle: number;
}

/**
 * Top-left corners of a digit, (top, left) for each frame: [frames, 2] in pixels.
 * @param canvasSize rows and columns of the frame, at least 28
 */
export function moveDigit(course: Course, frames: number, canvasSize: number): Int32Array {
  const room = canvasSize - digitSize;
  const places = new Int32Array(frames * 2);
  let { x, y } = course;
  let velocityX = Math.cos(course.angle);
  let velocityY = Math.sin(course.angle);
  for (let frame = 0; frame < frames; frame++) {
    y += velocityY * step;
    x += velocityX * step;
    if (x <= 0 || x >= 1) {
      x = x <= 0 ? 0 : 1;
      velocityX = -velocityX;
    }
    if (y <= 0 || y >= 1) {
      y = y <= 0 ? 0 : 1;
      velocityY = -velocityY;
    }
    places[frame * 2] = Math.trunc(room * y);
    places[frame * 2 + 1] = Math.trunc(room * x);
  }
  return places;
}

export interface PlacedDigit {
  /** [28, 28] bytes */
  readonly pixels: Uint8Array;
  /** (top, left) for each frame, as `moveDigit` gives them */
  readonly places: Int32Array;
}

/**
 * Frames `offset` to `offset + frames` of these digits: [frames, canvasSize, canvasSize] bytes,
 * black where no digit is.
 */
export function drawDigits(
  digits: readonly PlacedDigit[],
  span: { readonly offset: number; readonly frames: number },
  canvasSize: number,
): Uint8Array {
  const canvas = new Uint8Array(span.frames * canvasSize * canvasSize);
  for (const { pixels, places } of digits) {
    for (let frame = 0; frame < span.frames; frame++) {
      const top = places[(span.offset + frame) * 2];
      const left = places[(span.offset + frame) * 2 + 1];
      for (let row = 0; row < digitSize; row++) {
        const start = (frame * canvasSize + top + row) * canvasSize + left;
        for (let column = 0; column < digitSize; column++) {
          const ink = pixels[row * digitSize + column];
          if (ink > canvas[start + column]) canvas[start + column] = ink;
        }
      }
    }
  }
  return canvas;
}

/** Ink from which on a pixel is a digit's and not background. */
const inkMin = 64;

export interface LabelledDigit extends PlacedDigit {
  /** 0 to 9 */
  readonly label: number;
}

/**
 * What each pixel of the same frames shows, one-hot: [frames, canvasSize, canvasSize, 11], class 0
 * where no digit has ink, class 1 + label where one has; the one with the most ink where they overlap.
 */
export function classifyPixels(
  digits: readonly LabelledDigit[],
  span: { readonly offset: number; readonly frames: number },
  canvasSize: number,
): Float32Array {
  const ink = new Uint8Array(span.frames * canvasSize * canvasSize).fill(inkMin - 1);
  const classes = new Uint8Array(ink.length);
  for (const { pixels, places, label } of digits) {
    for (let frame = 0; frame < span.frames; frame++) {
      const top = places[(span.offset + frame) * 2];
      const left = places[(span.offset + frame) * 2 + 1];
      for (let row = 0; row < digitSize; row++) {
        const start = (frame * canvasSize + top + row) * canvasSize + left;
        for (let column = 0; column < digitSize; column++) {
          const value = pixels[row * digitSize + column];
          if (value <= ink[start + column]) continue;
          ink[start + column] = value;
          classes[start + column] = 1 + label;
        }
      }
    }
  }
  const answers = new Float32Array(classes.length * segmentClasses.length);
  for (const [pixel, value] of classes.entries()) {
    answers[pixel * segmentClasses.length + value] = 1;
  }
  return answers;
}

/** In the order of `classifyPixels`. */
export const segmentClasses = ["background", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
