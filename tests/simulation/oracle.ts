/**
 * What a run must be at every step, computed without workers, coordinator, network or disk. Whatever
 * the simulation does to a run, it may be late but never another one.
 */
import { vectorsFromArrays } from "../../coordinator/checkpoint_vectors.ts";
import type { SavedCheckpoint } from "../../coordinator/checkpoint.ts";
import type { ReadyRequest, Tally } from "../../net/messages.ts";
import type { RunConfiguration } from "../../net/run_configuration.ts";
import { fingerprint } from "../../worker/fingerprint.ts";
import type { OpenedRun, RunTrainer } from "../../worker/opened_run.ts";
import { planTraining } from "../../worker/run_training.ts";
import { adamSlots } from "../support/tiny_adam.ts";
import {
  type IsNan,
  type TinyState,
  undisturbedTinyRun,
  undisturbedValidation,
} from "../support/tiny_run.ts";

export interface Oracle {
  readonly steps: number;
  readonly finalSha256: string;
  /** Steps up to this one of which nothing is applied. */
  skippedSteps(step: number): number[];
  sha256At(step: number): string;
  lossAt(step: number): number;
  learningRateAt(step: number): number;
  validationLossAt(step: number): Promise<number>;
  /** What of the step is not finite, in words; empty where it is applied. */
  faultAt(step: number): string;
  /** @returns what is wrong with a trainer that owns these lanes, if anything */
  faultOfTrainer(trainer: RunTrainer, lanes: readonly number[]): string | undefined;
  faultOfCheckpoint(checkpoint: SavedCheckpoint, report: Report): string | undefined;
  faultOfPosition(at: RunPosition): string | undefined;
  /** What is wrong with what was counted up to there, if anything. */
  faultOfTally(at: RunPosition, tally: Tally | undefined): string | undefined;
}

interface RunPosition {
  readonly step: number;
  readonly epoch: number;
  readonly planStep: number;
}

type Report = ReadyRequest;

export async function createOracle(
  configuration: RunConfiguration,
  opened: OpenedRun,
  isNan: IsNan,
): Promise<Oracle> {
  const chain: TinyState[] = [];
  const end = await undisturbedTinyRun(configuration, (state) => chain.push(state), isNan);
  /** The place in the plan of each step; at an epoch's end its last place or the next one's first. */
  const positions: string[][] = Array.from({ length: end.step + 1 }, () => []);
  /** By place, what was counted when the run is there. */
  const tallies = new Map<string, Tally>();
  const { dataset, window } = opened;
  let step = 0;
  let tally: Tally = { lossSum: 0, frames: 0, faultsInARow: 0 };
  for (let epoch = 0; step <= end.step; epoch++) {
    const plan = planTraining({ configuration, dataset, window }, epoch);
    tally = { lossSum: 0, frames: 0, faultsInARow: tally.faultsInARow };
    for (let planStep = 0; planStep <= plan.steps; planStep++) {
      positions[step + planStep]?.push(`${epoch}/${planStep}`);
      if (planStep > 0) {
        tally = counted(tally, chain[step + planStep], plan.weightSum(planStep - 1));
      }
      tallies.set(`${epoch}/${planStep}`, tally);
    }
    step += plan.steps;
  }
  const at = (step: number): TinyState | undefined => chain[step];
  const faultOfPosition: Oracle["faultOfPosition"] = ({ step, epoch, planStep }) => {
    if (positions[step]?.includes(`${epoch}/${planStep}`)) return undefined;
    return `step ${step} is at ${
      positions[step]?.join(" or ")
    } in the plan, not at ${epoch}/${planStep}`;
  };
  return {
    faultOfPosition,
    faultOfTally({ epoch, planStep }, found) {
      const wanted = tallies.get(`${epoch}/${planStep}`)!;
      const { lossSum, frames, faultsInARow } = found ?? { lossSum: 0, frames: 0, faultsInARow: 0 };
      if (
        lossSum === wanted.lossSum && frames === wanted.frames &&
        faultsInARow === wanted.faultsInARow
      ) return undefined;
      return `${JSON.stringify(found)} is counted, not ${JSON.stringify(wanted)}`;
    },
    skippedSteps: (step) =>
      chain.filter((state) => state.fault !== "" && state.step <= step).map(({ step }) => step),
    faultAt: (step) => chain[step].fault,
    steps: end.step,
    finalSha256: end.parametersSha256,
    sha256At: (step) => fingerprint(chain[step].parameters),
    lossAt: (step) => chain[step].loss,
    learningRateAt: (step) => chain[step].learningRate,
    validationLossAt: (step) => undisturbedValidation(configuration, chain[step].parameters),
    faultOfTrainer(trainer, lanes) {
      const wanted = at(trainer.step);
      if (!wanted) return `it is at step ${trainer.step} of ${end.step}`;
      if (!isSame(trainer.readParameters(), wanted.parameters)) return "its parameters differ";
      const slots = trainer.readSlots();
      const other = wanted.slots.findIndex((slot, index) => !isSame(slots[index], slot));
      if (other >= 0) return `its slot ${trainer.slotNames[other]} differs`;
      const wrong = lanes.filter((lane) =>
        !isSame(trainer.states.readLane(lane), wanted.states[lane])
      );
      return wrong.length > 0 ? `its states of lanes ${wrong} differ` : undefined;
    },
    faultOfCheckpoint(checkpoint, report) {
      const wanted = at(checkpoint.step);
      if (!wanted) return `it is of step ${checkpoint.step} of ${end.step}`;
      const vectors = vectorsFromArrays(report, configuration.lanes, checkpoint);
      if (!isSame(vectors.get("parameters")!, wanted.parameters)) return "its parameters differ";
      for (const [index, name] of adamSlots.entries()) {
        if (!isSame(vectors.get(`slot/${name}`)!, wanted.slots[index])) {
          return `its slot ${name} differs`;
        }
      }
      for (let lane = 0; lane < configuration.lanes; lane++) {
        if (!isSame(vectors.get(`lane/${lane}`)!, wanted.states[lane])) {
          return `its state of lane ${lane} differs`;
        }
      }
      return faultOfPosition(checkpoint);
    },
  };
}

/** Said once more and not taken from the product, which might count wrongly. */
function counted(
  { lossSum, frames, faultsInARow }: Tally,
  state: TinyState | undefined,
  stepFrames: number,
): Tally {
  if (!state) return { lossSum, frames, faultsInARow };
  if (state.fault !== "") return { lossSum, frames, faultsInARow: faultsInARow + 1 };
  return {
    lossSum: lossSum + state.loss * stepFrames,
    frames: frames + stepFrames,
    faultsInARow: 0,
  };
}

function isSame(a: Float32Array, b: Float32Array): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
