/** Where a run stands: what a checkpoint saves of the plan and a resume continues from. */
export interface Position {
  /** Optimizer steps applied in all. */
  readonly step: number;
  readonly epoch: number;
  /** Steps of the epoch's plan done. */
  readonly planStep: number;
}
