/**
 * Where every generation begins: the last snapshot that was complete, in memory, and the step that the
 * run has gone back for. On its way to disk a snapshot becomes a checkpoint, one after the other.
 */
import type { RunConfiguration } from "../net/run_configuration.ts";
import type { ReadyRequest, StartMessage } from "../net/messages.ts";
import { saveCheckpoint } from "./checkpoint_folder.ts";
import type { JsonValue } from "./checkpoint_manifest.ts";
import { arraysFromVectors, type ModelSpecs } from "./checkpoint_vectors.ts";
import { sentence } from "./error_sentence.ts";
import type { FileSystem } from "./file_system.ts";
import { type InitialWeights, matchInitialWeights } from "./initial_weights.ts";
import type { RunFolder } from "./run_folder.ts";
import type { RunReport } from "./run_report.ts";
import type { NamedArrays } from "./safetensors.ts";
import { beginning, type Snapshot, snapshotFromCheckpoint } from "./snapshot.ts";

export interface RecoveryPoint {
  /** Undefined before the first one. */
  readonly snapshot: Snapshot | undefined;
  /** Step of the snapshot. */
  readonly step: number;
  /** The last step that the run has gone back for. */
  readonly skipUpTo: number;
  /** All parameters that a new run begins with, NaN where its seed draws them. */
  readonly initialParameters: Float32Array | undefined;
  /** What a start says of it. */
  readonly position: Omit<StartMessage, "type" | "generation" | "members">;
  /**
   * Without a snapshot, a resumed run begins from its checkpoint, and a new one from the weights that
   * it was given.
   * @throws {RangeError} where the checkpoint's arrays, or those weights, are not those of the model
   */
  resume(): void;
  keep(snapshot: Snapshot): void;
  goBackFor(step: number): void;
  /**
   * Saves a snapshot when those before it are saved.
   * @param follow what comes of it, which the next one waits for as well
   */
  saveInTurn(snapshot: Snapshot, follow: (saved: Promise<void>) => Promise<void>): void;
  /** Saves the newest snapshot, where it is no checkpoint yet, and warns where it cannot. */
  saveLast(follow: () => void): void;
  /** Resolves when nothing is being saved. */
  settled(): Promise<void>;
}

export interface RecoveryPointOptions {
  readonly configuration: RunConfiguration;
  readonly folder: RunFolder;
  readonly fileSystem: FileSystem;
  readonly report: Pick<RunReport, "checkpointed" | "tell" | "warn">;
  /** In ISO 8601. */
  readonly timeOfDay: () => string;
  readonly initialWeights?: { readonly source: string; readonly arrays: NamedArrays };
  /** What the workers' model consists of, known from the first generation on. */
  readonly specs: () => ModelSpecs & Pick<ReadyRequest, "classes" | "data">;
}

export function createRecoveryPoint(options: RecoveryPointOptions): RecoveryPoint {
  const { configuration, folder, fileSystem, report, timeOfDay, specs, initialWeights } = options;
  const { lanes } = configuration;
  let snapshot: Snapshot | undefined;
  let initial: InitialWeights | undefined;
  let skipUpTo = 0;
  let savedStep = folder.resumed?.step ?? -1;
  let saving: Promise<void> = Promise.resolve();

  const fromCheckpoint = () =>
    folder.resumed && snapshotFromCheckpoint(folder.resumed, specs(), lanes);

  const save = async ({ vectors, ...at }: Snapshot) => {
    const arrays = arraysFromVectors(specs(), lanes, (name) => vectors.get(name)!);
    await saveCheckpoint(
      fileSystem,
      folder.checkpointsPath,
      {
        ...arrays,
        ...at,
        configuration: configuration as unknown as JsonValue,
        createdAt: timeOfDay(),
        classes: specs().classes ?? folder.resumed?.classes,
        data: specs().data ?? folder.resumed?.data,
      },
      { warn: report.warn },
    );
    savedStep = at.step;
    report.checkpointed(at.step, [...arrays.parameters, ...arrays.optimizer]);
  };

  return {
    get snapshot() {
      return snapshot;
    },
    get step() {
      return snapshot?.step ?? 0;
    },
    get skipUpTo() {
      return skipUpTo;
    },
    get position() {
      const { step, epoch, planStep, tally } = snapshot ?? beginning;
      return { step, epoch, planStep, tally, restore: snapshot !== undefined, skipUpTo };
    },
    get initialParameters() {
      return initial?.flat;
    },
    resume() {
      snapshot ??= fromCheckpoint();
      if (snapshot || initial || !initialWeights) return;
      const { arrays, source } = initialWeights;
      initial = matchInitialWeights(specs().parameters, arrays, source);
      report.tell(initial.sentence);
    },
    keep(complete) {
      snapshot = complete;
    },
    goBackFor(step) {
      skipUpTo = step;
    },
    saveInTurn(complete, follow) {
      // One after the other: two would remove each other's half-written folders.
      saving = saving.then(() => follow(save(complete)));
    },
    saveLast(follow) {
      saving = saving.then(async () => {
        if (snapshot && snapshot.step > savedStep) await save(snapshot);
      }).catch((error) => report.warn(sentence(error))).then(follow);
    },
    async settled() {
      // The end of a run may save once more, while the save before it is waited for.
      let waitedFor: Promise<void>;
      do {
        waitedFor = saving;
        await waitedFor;
      } while (waitedFor !== saving);
    },
  };
}
