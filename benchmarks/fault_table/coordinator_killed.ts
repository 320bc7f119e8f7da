/**
 * Row 3: the coordinator is killed in each moment of writing its journal, before each change that it
 * makes to the folder of checkpoints, and at random.
 */
import { delay } from "../../net/clock.ts";
import { random } from "../../net/random.ts";
import { type CoordinatorFault, journalMoments } from "../faulty_coordinator.ts";
import {
  atFullStrength,
  deathOf,
  recovery,
  someSteps,
  standstillMsMax,
  sufferInRun,
  type TableSetting,
} from "./endless_run.ts";
import type { Trial } from "./trial.ts";

const row = 3;
/** Entries of one coordinator: its first generation, and the one after the loss of a worker. */
const entries = [1, 2] as const;
/** One checkpoint and the removal of an older one are not more. */
const changesMax = 16;
/** More than two of `--checkpoint-steps`: one checkpoint is written by then. */
const stepsToCheckpoint = 25;
const randomKills = 10;
const randomMsMax = 1_500;

/** An entry that is seen so soon after a coordinator's death is its own: nobody starts as fast. */
const ownEntryMs = 50;

interface Kill {
  readonly fault: string;
  readonly victim: string;
  readonly at: CoordinatorFault;
}

export async function* killCoordinators(setting: TableSetting): AsyncGenerator<Trial[]> {
  const args = ["--checkpoint-steps", "10", "--snapshot-steps", "5"];
  const inJournal: Kill[] = entries.flatMap((entry) =>
    journalMoments.map((moment) => ({
      fault: `in the journal ${moment}`,
      victim: `entry ${entry}`,
      at: { entry, moment },
    }))
  );
  const inCheckpoints: Kill[] = Array.from({ length: changesMax }, (_, index) => ({
    fault: "before a change in checkpoints/",
    victim: `change ${index + 1}`,
    at: { change: index + 1 },
  }));
  // Between them one life without a fault, for a run without a checkpoint writes its first before any
  // step: killed in that, one after the other, the coordinators would share one next step.
  const lives = [...inJournal.map(({ at }) => at), {}, ...inCheckpoints.map(({ at }) => at)];
  let life = 0;
  const options = {
    row,
    name: "coordinator-killed",
    args,
    coordinatorFault: () => lives[life++] ?? {},
  };
  yield await sufferInRun(setting, options, async (run) => {
    const { cluster, watch, suffered, setting: { clock } } = run;
    const deathsOf = () => cluster.deaths.filter(({ name }) => name === "coordinator");
    const suffer = async (kills: readonly Kill[], before: number) => {
      for (const [index, { fault, victim, at }] of kills.entries()) {
        if (at.entry === 2) {
          await atFullStrength(run);
          cluster.signal(watch.members[1], "SIGKILL");
        }
        const what = `${fault}, ${victim}`;
        const death = before + index;
        await watch.until(`a death ${what}`, () => deathsOf().length > death, standstillMsMax);
        // The one that comes next may have its own fault before any step.
        const found = kills[index + 1]?.at.entry === 1
          ? { detectedMs: null, resumedMs: null }
          : afterOwnEntry(await recovery(run, what, deathsOf()[death].atMs + ownEntryMs));
        suffered.push({ fault, victim, ...found });
      }
    };
    await suffer(inJournal, 0);
    await atFullStrength(run);
    await someSteps(watch, stepsToCheckpoint);
    cluster.signal("coordinator", "SIGKILL");
    await suffer(inCheckpoints, inJournal.length + 1);
    const draw = random(setting.seed, "coordinator");
    for (let kill = 0; kill < randomKills; kill++) {
      await atFullStrength(run);
      await someSteps(watch, 5);
      await delay(clock, draw.integer(randomMsMax));
      const deaths = cluster.deaths.length;
      cluster.signal("coordinator", "SIGKILL");
      const deathMs = await deathOf(run, "coordinator", deaths);
      const fault = "at a random moment";
      suffered.push({ fault, victim: "", ...await recovery(run, fault, deathMs) });
    }
    await atFullStrength(run);
  });
}

type Recovery = Awaited<ReturnType<typeof recovery>>;

/** Times from the death itself. */
function afterOwnEntry({ detectedMs, resumedMs }: Recovery): Recovery {
  const later = (ms: number | null) => (ms === null ? null : ms + ownEntryMs);
  return { detectedMs: later(detectedMs), resumedMs: later(resumedMs) };
}
