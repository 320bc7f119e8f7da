/** One fault that a run of real processes has suffered, and what became of the run. */
export interface Trial {
  /** Of the table in ARCHITECTURE.md. */
  readonly row: number;
  readonly fault: string;
  /** Who suffered it. */
  readonly victim: string;
  /** From the fault to the generation that answers it, and to the first step after that; null: none. */
  readonly detectedMs: number | null;
  readonly resumedMs: number | null;
  /** Empty where the guarantee held: for most faults the weights of the undisturbed run. */
  readonly problem: string;
  /** What else was measured, with its unit in its name. */
  readonly figures?: Readonly<Record<string, number>>;
}

/** What was measured before the run's end says whether it was survived. */
export type Suffered = Omit<Trial, "row" | "problem">;

/** Sets what all trials of a run have in common. */
export function judge(row: number, suffered: readonly Suffered[], problem: string): Trial[] {
  return suffered.map((each) => ({ row, ...each, problem }));
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
