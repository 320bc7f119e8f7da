/**
 * Bouncing balls (I. Sutskever, G. Hinton, G. Taylor, "The Recurrent Temporal Restricted Boltzmann
 * Machine", NIPS 2008): equal balls that collide elastically with each other and with the walls of
 * a box 10 units high, radius 1.2, 2 moves for each frame. Frames of other proportions than a
 * square show a box of theirs.
 *
 * With `anomalies`, half of the test sequences hold an event that the laws of motion do not explain,
 * and every frame's answer says whether one happens there: for scoring detectors of such events.
 */
import type { Random } from "../net/random.ts";
import { type Dataset, DatasetError } from "./dataset.ts";
import {
  describeGenerated,
  type DrawnSequence,
  type GeneratedOptions,
  generatedSequences,
  type Span,
} from "./generated_sequences.ts";

const name = "bouncing-balls";
const boxHeight = 10;
const radius = 1.2;
const movesPerFrame = 2;
const moveShare = 1 / movesPerFrame;
/** Norm of all velocities together, in units for each frame. */
const speed = 0.5;
/** Frames that a vanished ball stays away. */
const absentFrames = 3;
/** Until places without an overlap are found. */
const placingsMax = 10_000;

export interface BouncingBallsOptions extends GeneratedOptions {
  /** Rows and columns of a frame. */
  readonly frameSize: readonly [rows: number, columns: number];
  /** 3 as published. */
  readonly balls: number;
  /** Whether half of the test sequences hold one event against the laws of motion. */
  readonly anomalies: boolean;
}

/** @throws {DatasetError} if an option is out of range */
export function bouncingBalls(options: BouncingBallsOptions, seed: number): Dataset {
  const { frameSize: [rows, columns], balls, anomalies } = options;
  const box: Box = { height: boxHeight, width: (boxHeight * columns) / rows };
  for (const [what, value] of Object.entries({ rows, columns, balls })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new DatasetError(
        `Cannot generate ${name}: ${what} must be a whole number of at least 1, found ${value}`,
      );
    }
  }
  // Above a third of the box, places without an overlap are hardly found by chance.
  const share = (balls * Math.PI * radius ** 2) / (box.height * box.width);
  if (share > 1 / 3 || box.width < 4 * radius) {
    throw new DatasetError(
      `Cannot generate ${name}: ${balls} balls fill ${Math.round(100 * share)} % of a frame of ` +
        `${rows}x${columns}; use fewer balls or a squarer frame`,
    );
  }
  const pathOf = (sequence: DrawnSequence) =>
    drawPath(sequence, { balls, box, anomalies: anomalies && sequence.split === "test" });
  return {
    name,
    frameShape: [rows, columns, 1],
    description: `Bouncing balls, ${describeGenerated(options)} with ${balls} balls` +
      (anomalies ? "; half of the test sequences hold an anomaly" : ""),
    unit: "white",
    ...(anomalies && { targetShape: [1] }),
    ...generatedSequences({
      name,
      seed,
      draw: (sequence, span) => drawFrames(pathOf(sequence).places, span, [rows, columns]),
      ...(anomalies && {
        drawTargets: (sequence: DrawnSequence, { offset, frames }: Span) =>
          Float32Array.from(pathOf(sequence).isOdd.subarray(offset, offset + frames)),
      }),
    }, options),
    close() {},
  };
}

/** In units; y from 0 to `height`, x from 0 to `width`. */
export interface Box {
  readonly height: number;
  readonly width: number;
}

export interface Ball {
  x: number;
  y: number;
  /** Units in a frame. */
  velocityX: number;
  velocityY: number;
}

interface Path {
  /** For each frame, the balls that are seen, as (y, x). */
  readonly places: readonly (readonly (readonly [number, number])[])[];
  /** [frames] of 0 or 1 */
  readonly isOdd: Uint8Array;
}

function drawPath(
  { random, frames }: DrawnSequence,
  { balls: count, box, anomalies }: { balls: number; box: Box; anomalies: boolean },
): Path {
  const balls = placeBalls(random, count, box);
  const event = anomalies && random.integer(2) === 1
    ? drawEvent(random, frames, count, box)
    : undefined;
  const isOdd = new Uint8Array(frames);
  const places = Array.from({ length: frames }, (_, frame) => {
    // Before the move, so that the frame shows it.
    if (event?.frame === frame) suffer(balls[event.ball], event);
    for (let move = 0; move < movesPerFrame; move++) moveBalls(balls, box, moveShare);
    const since = event ? frame - event.frame : -1;
    const isAbsent = event?.kind === "vanish" && since >= 0 && since < absentFrames;
    isOdd[frame] = since === 0 || isAbsent ? 1 : 0;
    const seen = isAbsent ? balls.filter((_, index) => index !== event.ball) : balls;
    return seen.map(({ x, y }) => [y, x] as const);
  });
  return { places, isOdd };
}

interface Event {
  readonly kind: "vanish" | "jump" | "reverse";
  readonly frame: number;
  readonly ball: number;
  readonly x: number;
  readonly y: number;
}

function suffer(ball: Ball, { kind, x, y }: Event): void {
  if (kind === "jump") [ball.x, ball.y] = [x, y];
  if (kind === "reverse") {
    [ball.velocityX, ball.velocityY] = [-ball.velocityX, -ball.velocityY];
  }
}

/** In the second half, so that a predictor has had time to see how the balls move. */
function drawEvent(random: Random, frames: number, balls: number, box: Box): Event {
  return {
    kind: (["vanish", "jump", "reverse"] as const)[random.integer(3)],
    frame: Math.floor(frames / 2) + random.integer(Math.max(1, Math.floor(frames / 2))),
    ball: random.integer(balls),
    x: radius + random.uniform() * (box.width - 2 * radius),
    y: radius + random.uniform() * (box.height - 2 * radius),
  };
}

function placeBalls(random: Random, count: number, box: Box): Ball[] {
  const directions = Array.from({ length: 2 * count }, () => random.normal());
  const norm = Math.hypot(...directions);
  for (let attempt = 0; attempt < placingsMax; attempt++) {
    const balls = Array.from({ length: count }, (_, index) => ({
      x: radius + random.uniform() * (box.width - 2 * radius),
      y: radius + random.uniform() * (box.height - 2 * radius),
      velocityX: (speed * directions[2 * index]) / norm,
      velocityY: (speed * directions[2 * index + 1]) / norm,
    }));
    const apart = balls.every((one, i) =>
      balls.slice(0, i).every((other) => Math.hypot(one.x - other.x, one.y - other.y) >= 2 * radius)
    );
    if (apart) return balls;
  }
  throw new DatasetError(
    `Cannot generate ${name}: found no places without an overlap for ${count} balls`,
  );
}

/** Moves all balls by a share of a frame, in place. Equal masses swap what they have along the line between them. */
export function moveBalls(balls: Ball[], { height, width }: Box, share: number): void {
  for (const ball of balls) {
    ball.x += share * ball.velocityX;
    ball.y += share * ball.velocityY;
    if (ball.x < radius) ball.velocityX = Math.abs(ball.velocityX);
    if (ball.x > width - radius) ball.velocityX = -Math.abs(ball.velocityX);
    if (ball.y < radius) ball.velocityY = Math.abs(ball.velocityY);
    if (ball.y > height - radius) ball.velocityY = -Math.abs(ball.velocityY);
  }
  for (const [index, one] of balls.entries()) {
    for (const other of balls.slice(0, index)) {
      const [dx, dy] = [one.x - other.x, one.y - other.y];
      const distance = Math.sqrt(dx * dx + dy * dy);
      if (distance >= 2 * radius || distance === 0) continue;
      const [nx, ny] = [dx / distance, dy / distance];
      const approach = (one.velocityX - other.velocityX) * nx +
        (one.velocityY - other.velocityY) * ny;
      // Those that already part would be pulled together again.
      if (approach >= 0) continue;
      one.velocityX -= approach * nx;
      one.velocityY -= approach * ny;
      other.velocityX += approach * nx;
      other.velocityY += approach * ny;
    }
  }
}

/** A ball's brightness is exp(-((distance / radius)^2)^4), as published; sums end at 1. */
function drawFrames(
  places: Path["places"],
  span: Span,
  [rows, columns]: readonly [number, number],
): Float32Array {
  const unit = boxHeight / rows;
  // Beyond 1.4 radii the brightness is below 1e-6.
  const reach = 1.4 * radius;
  const values = new Float32Array(span.frames * rows * columns);
  for (let frame = 0; frame < span.frames; frame++) {
    for (const [y, x] of places[span.offset + frame]) {
      const [top, left] = [y, x].map((at) => Math.max(0, Math.ceil((at - reach) / unit)));
      const bottom = Math.min(rows - 1, Math.floor((y + reach) / unit));
      const right = Math.min(columns - 1, Math.floor((x + reach) / unit));
      for (let row = top; row <= bottom; row++) {
        for (let column = left; column <= right; column++) {
          const square = ((row * unit - y) ** 2 + (column * unit - x) ** 2) / radius ** 2;
          const at = (frame * rows + row) * columns + column;
          values[at] = Math.min(1, values[at] + Math.exp(-((square * square) ** 2)));
        }
      }
    }
  }
  return values;
}
