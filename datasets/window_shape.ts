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

/** Windows that a sequence of `frames` frames gives: those with at least one frame to predict. */
export function windowCount(frames: number, window: WindowShape): number {
  const context = window.frames - window.predictions;
  return Math.max(0, Math.ceil((frames - context) / window.advance));
}

/** Frames that the sequence really has to predict in its window number `index`. */
export function validPredictions(frames: number, window: WindowShape, index: number): number {
  const context = window.frames - window.predictions;
  const left = frames - index * window.advance - context;
  return Math.max(0, Math.min(window.predictions, left));
}
