/**
 * A synthetic rain field, seeded and computed for any frame on its own. Widespread rain is a sum
 * of plane waves with long ones strongest, cut off where it is too weak to rain; showers are
 * Gaussian cells that grow and decay. Both drift with a wind that turns slowly, and the waves also
 * run on their own, short ones faster, so that details die sooner than the whole. Everything is in
 * dBZ, where real rain is near to normally distributed. A pixel stands for 1 km, a frame for 5 min.
 */
import type { Random } from "../net/random.ts";
import { valueOfReflectivity } from "./radar_scale.ts";

const waveCount = 24;
/** Pixels */
const wavelengthLeast = 10;
const wavelengthMost = 90;
/** Standard deviation of the widespread field. */
const waveDbz = 12;
/** Weaker echoes do not rain: 0.1 mm/h with Z = 200 R^1.6. */
const rainLeastDbz = 7;
/** Cells alive at a time on 64 x 64 pixels. */
const cellsAlive = 3;
const cellFramesLeast = 8;
const cellFramesMost = 30;
/** A Gaussian is nothing beyond this many of its radii. */
const cellReach = 3;

interface Wind {
  /** Pixels for each frame. */
  readonly speed: number;
  readonly angle: number;
  /** Radians for each frame, never 0. */
  readonly turn: number;
}

interface Wave {
  readonly amplitudeDbz: number;
  /** Radians for each pixel. */
  readonly x: number;
  readonly y: number;
  readonly phase: number;
  /** Radians for each frame, on top of the wind. */
  readonly drift: number;
}

interface Cell {
  /** Frame of its birth, perhaps before the first. */
  readonly birth: number;
  readonly lifeFrames: number;
  /** Where it is in the middle of its life, pixels. */
  readonly x: number;
  readonly y: number;
  readonly radiusX: number;
  readonly radiusY: number;
  readonly peakDbz: number;
}

export interface RainField {
  readonly size: number;
  readonly wind: Wind;
  readonly waves: readonly Wave[];
  readonly cells: readonly Cell[];
  readonly meanDbz: number;
  /** The whole field gains and loses rain: dB, radians for each frame, radians. */
  readonly swing: { readonly dbz: number; readonly pace: number; readonly phase: number };
}

/**
 * Draws the course of a field.
 * @param size rows and columns of a frame
 */
export function drawRainField(random: Random, frames: number, size: number): RainField {
  const between = (least: number, most: number) => least + (most - least) * random.uniform();
  const around = () => between(0, 2 * Math.PI);
  const wind = {
    speed: between(0.8, 3.2),
    angle: around(),
    turn: between(0.001, 0.02) * (random.uniform() < 0.5 ? -1 : 1),
  };
  const waves = Array.from({ length: waveCount }, () => {
    const wavelength = wavelengthLeast * (wavelengthMost / wavelengthLeast) ** random.uniform();
    const angle = around();
    return {
      amplitudeDbz: wavelength ** 0.8,
      x: 2 * Math.PI / wavelength * Math.cos(angle),
      y: 2 * Math.PI / wavelength * Math.sin(angle),
      phase: around(),
      drift: random.normal() * 0.25 * (wavelengthLeast / wavelength) ** 0.6,
    };
  });
  // A wave of amplitude A has variance A² / 2.
  const deviation = Math.sqrt(waves.reduce((sum, { amplitudeDbz: a }) => sum + a * a / 2, 0));
  const cellFrames = (cellFramesLeast + cellFramesMost) / 2;
  const cellCount = Math.round(
    cellsAlive * (size / 64) ** 2 * (frames + cellFramesMost) / cellFrames,
  );
  return {
    size,
    wind,
    waves: waves.map((wave) => ({
      ...wave,
      amplitudeDbz: wave.amplitudeDbz * waveDbz / deviation,
    })),
    cells: Array.from({ length: cellCount }, () => ({
      birth: between(-cellFramesMost, frames),
      lifeFrames: between(cellFramesLeast, cellFramesMost),
      x: between(0, size),
      y: between(0, size),
      radiusX: between(2.5, 7),
      radiusY: between(2.5, 7),
      peakDbz: between(15, 35),
    })),
    meanDbz: -2 + 3 * random.normal(),
    swing: { dbz: between(1, 4), pace: 2 * Math.PI / between(40, 120), phase: around() },
  };
}

/** Frames `offset` to `offset + frames`: [frames, size, size] values of `radar_scale.ts`. */
export function rainFrames(
  field: RainField,
  span: { readonly offset: number; readonly frames: number },
): Float32Array {
  const pixels = field.size * field.size;
  const values = new Float32Array(span.frames * pixels);
  const dbz = new Float64Array(pixels);
  const waveTables = field.waves.map((wave) => ({
    wave,
    cosines: Float64Array.from({ length: field.size }, (_, x) => Math.cos(wave.x * x)),
    sines: Float64Array.from({ length: field.size }, (_, x) => Math.sin(wave.x * x)),
  }));
  for (let frame = 0; frame < span.frames; frame++) {
    const time = span.offset + frame;
    const { swing } = field;
    dbz.fill(field.meanDbz + swing.dbz * Math.sin(swing.pace * time + swing.phase));
    const blown = windPath(field.wind, time);
    for (const { wave, cosines, sines } of waveTables) {
      const phase = wave.phase + wave.drift * time - wave.x * blown.x - wave.y * blown.y;
      for (let row = 0; row < field.size; row++) {
        // cos(X + Y) = cos X cos Y - sin X sin Y keeps trigonometry out of the pixel loop.
        const cosine = wave.amplitudeDbz * Math.cos(wave.y * row + phase);
        const sine = wave.amplitudeDbz * Math.sin(wave.y * row + phase);
        const start = row * field.size;
        for (let x = 0; x < field.size; x++) {
          dbz[start + x] += cosine * cosines[x] - sine * sines[x];
        }
      }
    }
    for (const cell of field.cells) addCell(dbz, field, cell, time);
    const start = frame * pixels;
    for (let i = 0; i < pixels; i++) {
      if (dbz[i] >= rainLeastDbz) values[start + i] = valueOfReflectivity(dbz[i]);
    }
  }
  return values;
}

/** How far the wind has blown since frame 0, in pixels: the integral of a turning velocity. */
export function windPath({ speed, angle, turn }: Wind, time: number): { x: number; y: number } {
  const radius = speed / turn;
  return {
    x: radius * (Math.sin(angle + turn * time) - Math.sin(angle)),
    y: radius * (Math.cos(angle) - Math.cos(angle + turn * time)),
  };
}

function addCell(dbz: Float64Array, { size, wind }: RainField, cell: Cell, time: number): void {
  const age = (time - cell.birth) / cell.lifeFrames;
  if (age <= 0 || age >= 1) return;
  const here = windPath(wind, time);
  const midlife = windPath(wind, cell.birth + cell.lifeFrames / 2);
  const x = cell.x + here.x - midlife.x;
  const y = cell.y + here.y - midlife.y;
  const strength = cell.peakDbz * Math.sin(Math.PI * age) ** 2;
  const left = Math.max(0, Math.ceil(x - cellReach * cell.radiusX));
  const right = Math.min(size - 1, Math.floor(x + cellReach * cell.radiusX));
  const top = Math.max(0, Math.ceil(y - cellReach * cell.radiusY));
  const bottom = Math.min(size - 1, Math.floor(y + cellReach * cell.radiusY));
  for (let row = top; row <= bottom; row++) {
    const rowStrength = strength * Math.exp(-0.5 * ((row - y) / cell.radiusY) ** 2);
    for (let column = left; column <= right; column++) {
      dbz[row * size + column] += rowStrength *
        Math.exp(-0.5 * ((column - x) / cell.radiusX) ** 2);
    }
  }
}
