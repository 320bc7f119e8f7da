/** How a window of a sequence becomes inputs and targets: what the plan must know of a model. */
export interface WindowShape {
  /** Frames read for each window, targets included. */
  readonly frames: number;
  /** Frames from the start of one window to the start of the next. */
  readonly advance: number;
  /** Frames predicted in each window, its last ones; each has a loss weight. */
  readonly predictions: number;
  /** Whether state flows from window to window; if not, every window is reset. */
  readonly carriesState: boolean;
}

/**
 * Windows that a sequence of `frames` frames gives: those with at least one frame to predict, or
 * where windows overlap, whole ones; a sequence shorter than a window gives one all the same.
 */
export function windowCount(frames: number, window: WindowShape): number {
  const { predictions, advance } = window;
  const predicted = frames - (window.frames - predictions);
  if (predicted <= 0) return 0;
  if (advance >= predictions) return Math.ceil(predicted / advance);
  return 1 + Math.floor(Math.max(0, frames - window.frames) / advance);
}

/**
 * The same windows at another distance, which may make them overlap or leave frames out.
 * @throws {RangeError} where state is carried from one to the next
 */
export function atStride(window: WindowShape, stride: number | null): WindowShape {
  if (stride === null || stride === window.advance) return window;
  if (window.carriesState) {
    throw new RangeError(
      `Cannot use --stride ${stride} with a model that carries its state from window to window: ` +
        `its windows follow each other by ${window.advance} frames; leave --stride out`,
    );
  }
  return { ...window, advance: stride };
}

/** Frames that the sequence really has to predict in its window number `index`. */
export function validPredictions(frames: number, window: WindowShape, index: number): number {
  const context = window.frames - window.predictions;
  const left = frames - index * window.advance - context;
  return Math.max(0, Math.min(window.predictions, left));
}
