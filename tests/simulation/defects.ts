/**
 * Ways to break the program, each a small change of its source, and how many of them the simulation
 * finds: a promise that no fault can break is one that nobody checks.
 */
export interface Defect {
  readonly what: string;
  readonly file: string;
  /** Stands exactly once in the file. */
  readonly from: string;
  readonly to: string;
  /** Why the simulation cannot find it, where it is known not to. */
  readonly unseen?: string;
  /** How many to look for it with, where it is rare. */
  readonly seeds?: number;
}

const generationStarts = "coordinator/generation_starts.ts";
const messageFilter = "coordinator/message_filter.ts";
const membershipMessages = "coordinator/membership_messages.ts";
const snapshotMessages = "coordinator/snapshot_messages.ts";
const trainingMessages = "coordinator/training_messages.ts";
const recoveryPoint = "coordinator/recovery_point.ts";
const joining = "coordinator/membership/joining_and_leaving.ts";
const generations = "coordinator/membership/generations.ts";
const journal = "coordinator/journal.ts";
const sum = "collective/all_reduce.ts";
const sendStream = "collective/send_stream.ts";
const sendWindow = "collective/send_window.ts";
const worker = "worker/run_worker.ts";
const client = "worker/coordinator_client.ts";
const snapshots = "worker/snapshots.ts";
const training = "worker/run_training.ts";
const tally = "worker/tally.ts";
const dataMessages = "collective/data_messages.ts";

export const defects: readonly Defect[] = [
  {
    what: "requests of any generation are taken",
    file: messageFilter,
    from: 'value.generation === generation && phase === "running"',
    to: 'phase === "running"',
  },
  {
    what: "the journal is not written",
    file: generationStarts,
    from: "journal.append({ generation, members, step: recovery.step, restarts });",
    to: "",
  },
  {
    what: "uploads of the generation before are kept",
    file: generationStarts,
    from: "    uploads.clear();\n    readyReport",
    to: "    readyReport",
  },
  {
    what: "who waits for the generation before is not answered",
    file: generationStarts,
    from: "for (const gathering of [beginnings, snapshots, losses]) gathering.dismiss(stale);",
    to: "void stale;",
  },
  {
    what: "a resume begins with the first weights",
    file: recoveryPoint,
    from: "snapshot ??= fromCheckpoint();",
    to: "void fromCheckpoint;",
  },
  {
    what: "an end reported by an earlier generation counts",
    file: membershipMessages,
    from: "if (generation !== run.membership.generation) {\n" +
      "        return reply(message, refused(staleGeneration));\n      }",
    to: "void generation;",
    unseen:
      "its member goes on, and the others cannot end without it; tests/coordinator checks the answer",
  },
  {
    what: "a checkpoint is confirmed before it is on disk",
    file: snapshotMessages,
    from: "await saved;",
    to: "void saved;",
  },
  {
    what: "who has missed a start is not told again",
    file: membershipMessages,
    from: "if (isBehind && newestStart) broadcast(newestStart);",
    to: "void isBehind;",
  },
  {
    what: "a worker that was given up is not asked to join again",
    file: membershipMessages,
    from: 'broadcast({ type: "rejoin", worker, where });',
    to: "",
  },
  {
    what: "validation losses are added in the order of arrival",
    file: "coordinator/validation_losses.ts",
    from: ".sort((a, b) => a.shard - b.shard)",
    to: "",
    unseen: "sums of whole numbers are the same in any order",
  },
  {
    what: "a snapshot replaces a newer one's position",
    file: "coordinator/snapshot.ts",
    from: "const [{ step, epoch, planStep, tally, save }] = parts;",
    to: "const [{ epoch, planStep, tally, save }] = parts;\n" +
      "  const step = parts[0].step + 1;",
  },
  {
    what: "the journal is not made durable",
    file: journal,
    from: "file.syncSync();",
    to: "",
  },
  {
    what: "a torn last line of the journal is written on",
    file: journal,
    from: "if (isLast) return { ...newest, generation: newest.generation + 1, bytes: start };",
    to:
      "if (isLast) return { ...newest, generation: newest.generation + 1, bytes: content.length };",
  },
  {
    what: "a short write to the journal is taken for a whole one",
    file: journal,
    from: "written += file.writeSync(text.subarray(written));",
    to: "file.writeSync(text.subarray(written));\n        written = text.length;",
  },
  {
    what: "silence is not noticed",
    file: "coordinator/membership/failure_detector.ts",
    from: "nowMs - member.lastSeenMs > patienceMs(state, member.where)",
    to: "nowMs - member.lastSeenMs > Infinity",
    unseen:
      "who is silent hears nothing either, as far as anybody knows, and that is noticed 0.75 s " +
      "later; tests/coordinator checks the limit",
  },
  {
    what: "an end reported before a rollback still counts",
    file: generations,
    from: "members: state.members.map((member) => ({ ...member, finished: null })),",
    to: "",
  },
  {
    what: "a worker that comes back is a member twice",
    file: joining,
    from: "const before = twin ? lose(state, [{ worker, reason }], nowMs) : same(state);",
    to: "const before = same(state);\n  void reason;",
  },
  {
    what: "a join that comes late makes a ready worker a newcomer",
    file: joining,
    from: "if (twin && twin.where === where && attempt < twin.attempt) return same(state);",
    to: "",
    unseen:
      "its next heartbeat has it join once more: that costs a generation and breaks no promise",
  },
  {
    what: "generations are counted anew",
    file: generations,
    from: "const generation = state.generation + 1;",
    to: "const generation = state.restarts + 1;",
  },
  {
    what: "who leaves takes part for ever",
    file: generations,
    from: "member.ready && !member.leaving",
    to: "member.ready",
  },
  {
    what: "a run is over when its first worker says so",
    file: "coordinator/membership/ending.ts",
    from: "if (members.some((member) => !member.finished)) return same(state);",
    to: "if (members.every((member) => !member.finished)) return same(state);",
  },
  {
    what: "a gathering does not wait for the last one",
    file: "coordinator/gathering.ts",
    from: "if (members().some((member) => !waiting.has(member))) return undefined;",
    to: "if (waiting.size + 1 < members().length) return undefined;",
  },
  {
    what: "files of a checkpoint are not made durable",
    file: "coordinator/file_system.ts",
    from: "await file.sync();",
    to: "",
  },
  {
    what: "names in a checkpoint are not made durable",
    file: "coordinator/checkpoint.ts",
    from: "await fileSystem.syncDirectory(partial);",
    to: "",
  },
  {
    what: "a checkpoint's own name is not made durable",
    file: "coordinator/checkpoint.ts",
    from: "await fileSystem.syncDirectory(folder);",
    to: "",
  },
  {
    what: "no checkpoint is kept",
    file: "coordinator/checkpoint_folder.ts",
    from: "export const KEPT_NEWEST = 3;",
    to: "export const KEPT_NEWEST = 0;",
  },
  {
    what: "gradients of any generation are added",
    file: dataMessages,
    from: 'if (message[0] !== generation) return "generation";',
    to: "",
  },
  {
    what: "partial sums of any step are added",
    file: sum,
    from: 'if (step !== this.#awaitedPartialStep) return "step";',
    to: "",
  },
  {
    what: "totals of any step are taken",
    file: sum,
    from: 'if (step !== this.#step || this.#result === undefined) return "step";',
    to: "",
  },
  {
    what: "a chunk that comes twice is added twice",
    file: sum,
    from: 'if (!this.#progress.addPartial(partial, index)) return "duplicate";',
    to: "this.#progress.addPartial(partial, index);",
  },
  {
    what: "totals are not combined along the tree",
    file: "collective/canonical_tree.ts",
    from: "combinations.push({ left, right });",
    to: "if (combinations.length < 3) combinations.push({ left, right });",
  },
  {
    what: "lost chunks are not sent again",
    file: sendStream,
    from: "if (!this.#held.has(chunk)) this.#lost.push(chunk);",
    to: "",
  },
  {
    what: "credits are not used",
    file: sum,
    from: "const isNew = this.#outgoing.credit(sender, credit);",
    to: "const isNew = false;",
  },
  {
    what: "nobody is asked what it has sent",
    file: sum,
    from: "this.#owed.askTheSilent((each) => this.#progress.isAwaited(each));",
    to: "",
  },
  {
    what: "a question is not answered",
    file: "collective/owed_credits.ts",
    from: "if (asks || sentSequence > sender.heardSequence) this.owe(from);",
    to: "if (sentSequence > sender.heardSequence) this.owe(from);",
  },
  {
    what: "totals that others lack are forgotten when the next step begins",
    file: "collective/outgoing_chunks.ts",
    from: "receiver.stream.partials.begin(step);",
    to: "receiver.stream.partials.begin(step);\n      receiver.stream.totals.begin(step);",
  },
  {
    what: "a total is sent again as one of the step under way",
    file: "collective/outgoing_chunks.ts",
    from: 'return { kind: "total", to, step: this.#totalStep, sequence, partial: 0, index };',
    to: 'return { kind: "total", to, step: stream.partials.step, sequence, partial: 0, index };',
  },
  {
    what: "windows have no bound",
    file: sendStream,
    from: "return this.#inFlightBytes + bytes <= this.#windowBytes;",
    to: "return this.#inFlightBytes + bytes <= Infinity;",
    unseen: "who is cut off for it comes back; tests/collective measures what is under way",
  },
  {
    what: "gradients under way have no bound",
    file: sendWindow,
    from: "this.#inFlightBytes < inFlightBytesMax",
    to: "this.#inFlightBytes < Infinity",
  },
  {
    what: "a buffer is used again before it was sent",
    file: sendWindow,
    from: "this.#burst.push(buffer);",
    to: "this.#free.push(buffer);",
  },
  {
    what: "messages lie in memory that is written again",
    file: "net/codec.ts",
    from: "return plainBytes(packer.pack(toWire(value))).slice();",
    to: "return plainBytes(packer.pack(toWire(value)));",
  },
  {
    what: "a sum goes on when its generation is over",
    file: worker,
    from: "isOver = true;\n    allReduce.close();",
    to: "isOver = true;",
  },
  {
    what: "sums begin a step too early",
    file: worker,
    from: "firstStep: start.step + 1,",
    to: "firstStep: start.step,",
  },
  {
    what: "nothing is restored",
    file: worker,
    from: "if (start.restore) {",
    to: "if (start.restore && start.step < 0) {",
  },
  {
    what: "nobody waits until all can hear",
    file: worker,
    from: "await conversation.begin();",
    to: "",
    unseen: "what came too early is asked for and sent again; tests/worker checks that all wait",
  },
  {
    what: "an end is reported before the last snapshot is complete",
    file: worker,
    from: "await snapshots.settled();\n    if (rank === 0",
    to: "if (rank === 0",
    unseen: "the last snapshot is a checkpoint, which is waited for anyway",
  },
  {
    what: "a connection that is lost early ends the worker",
    file: worker,
    from: "return error instanceof ConnectionLostError || error instanceof TransportError;",
    to: "return error instanceof ConnectionLostError;",
  },
  {
    what: "two snapshots are under way at once",
    file: snapshots,
    from: "await pending;\n      const vectors",
    to: "const vectors",
  },
  {
    what: "lanes get each other's state",
    file: snapshots,
    from: "await conversation.readVector(`lane/${lane}`)",
    to: "await conversation.readVector(`lane/${Math.max(0, lane - 1)}`)",
  },
  {
    what: "the optimizer's slots are not restored",
    file: snapshots,
    from: "trainer.restore(step, parameters, slots);",
    to: "trainer.restore(step, parameters, trainer.readSlots());",
  },
  {
    what: "a generation begins at the epoch's first step",
    file: training,
    from: "for (let planStep = position.planStep;",
    to: "for (let planStep = 0;",
  },
  {
    what: "windows are read from the epoch's first step on",
    file: training,
    from: "for (let step = position.planStep;",
    to: "for (let step = 0;",
  },
  {
    what: "each worker stops when it hears of it",
    file: training,
    from: "if (stop && position.step < stepsMax)",
    to: "if ((stop || hooks.stopRequested()) && position.step < stepsMax)",
  },
  {
    what: "a stop is forgotten",
    file: training,
    from: "          hooks.stopRequested(),\n",
    to: "          false,\n",
    unseen: "a run that goes on to its end although it was asked to stop breaks no promise here",
  },
  {
    what: "an older generation is taken for the newest",
    file: client,
    from: 'if (message.type === "start" && message.generation > (newest?.generation ?? 0)) {',
    to: 'if (message.type === "start") {',
    unseen:
      "`nextStart` takes a newer one only, and whose heartbeats name an older one is told again",
  },
  {
    what: "the end of a coordinator that is gone ends the workers of the next",
    file: client,
    from: "    if (!isOwn) return;\n",
    to: "",
    unseen: "an end is seldom later than the next coordinator; tests/worker says one late",
  },
  {
    what: "a worker does not hear that its generation is over",
    file: client,
    from:
      "() => interruption.interrupt(new GenerationEndedError(`Generation ${generation} is over`)),",
    to: "() => {},",
  },
  {
    what: "only the first part of a vector is restored",
    file: client,
    from: "values.set(data, offset);",
    to: "if (offset === 0) values.set(data, offset);",
  },
  {
    what: "a checkpoint that the disk refuses is taken for written",
    file: "coordinator/checkpoint.ts",
    from: "    throw new CheckpointError(\n      `Cannot write checkpoint",
    to:
      '    if (started) return "";\n    throw new CheckpointError(\n      `Cannot write checkpoint',
  },
  {
    what: "a generation that the journal cannot hold is announced",
    file: generationStarts,
    from: "return fail(sentence(error));\n    }\n    const { position }",
    to: "void error;\n    }\n    const { position }",
  },
  {
    what: "a gradient that cannot be read ends its receiver",
    file: dataMessages,
    from: "} catch {\n      // Of other members",
    to: "} catch (error) {\n      if (error) throw error;\n      // Of other members",
  },
  {
    what: "gradients in another member's name are added",
    file: dataMessages,
    from: 'return message[1] === sender ? use(message) : "sender";',
    to: "return use(message);",
  },
  {
    what: "a message that cannot be read ends the coordinator",
    file: messageFilter,
    from: "noteMalformed(worker, verb, sentence(error));",
    to: "throw error;",
  },
  {
    what: "who is excluded may join again",
    file: messageFilter,
    from: "strikes.exclude(worker, reason);",
    to: "",
  },
  {
    what: "a step that is not finite counts in its epoch's loss",
    file: tally,
    from: 'if (fault !== "") return { ...tally, faultsInARow: tally.faultsInARow + 1 };',
    to: "void fault;",
  },
  {
    what: "steps in a row that are not finite are counted anew in each epoch",
    file: tally,
    from: "return { ...emptyTally, faultsInARow };",
    to: "return { ...emptyTally, faultsInARow: 0 * faultsInARow };",
  },
  {
    what: "a step is gone back for again and again",
    file: training,
    from: '=== "rollback" && step > skipUpTo)',
    to: '=== "rollback" && step >= Math.min(0, skipUpTo))',
  },
  {
    what: "the coordinator forgets which step it went back for",
    file: recoveryPoint,
    from: "skipUpTo = step;",
    to: "",
  },
  {
    what: "steps that are left out are not written down",
    file: trainingMessages,
    from: 'if (progress.fault !== "") note({ skipped: progress.step });',
    to: "",
  },
  {
    what: "partial sums are added from left to right, not along the tree",
    file: "collective/own_slice.ts",
    from: "of this.#plan.combinations)",
    to: "of this.#plan.combinations.map((_, index) => ({ left: 0, right: index + 1 })))",
  },
  {
    what: "the moments change places when they are restored",
    file: snapshots,
    from: "trainer.restore(step, parameters, slots);",
    to: "trainer.restore(step, parameters, slots.toReversed());",
  },
  {
    what: "a trainer counts one step too many once it is restored",
    file: snapshots,
    from: "trainer.restore(step, parameters, slots);",
    to: "trainer.restore(step + 1, parameters, slots);",
  },
  {
    what: "the learning rate that is told is that of the step before",
    file: training,
    from: "learningRate: options.learningRate(trainer.step),",
    to: "learningRate: options.learningRate(trainer.step - 1),",
  },
  {
    what: "the losses of a validation are added as they come",
    file: "coordinator/validation_losses.ts",
    from: "workers.flat().sort((a, b) => a.shard - b.shard);",
    to: "workers.flat();",
  },
];
