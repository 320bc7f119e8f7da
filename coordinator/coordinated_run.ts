/** What those who take workers' messages see of the run, and what they may do to it. */
import type { RunConfiguration } from "../net/run_configuration.ts";
import type { ReadyRequest, ValidationRequest } from "../net/messages.ts";
import type { ControlChannel } from "./control_channel.ts";
import type { Gathering } from "./gathering.ts";
import type { JournalEntry } from "./journal.ts";
import type { MembershipEvent } from "./membership/events.ts";
import type { MembershipState } from "./membership/state.ts";
import type { RunReport } from "./run_report.ts";
import type { SnapshotPart } from "./snapshot.ts";
import type { VectorCollection } from "./vector_collection.ts";

export interface CoordinatedRun {
  readonly configuration: RunConfiguration;
  readonly report: RunReport;
  readonly control: ControlChannel;
  /** As it is now: an event makes it another one. */
  readonly membership: MembershipState;
  /** What the workers run on, all alike; undefined before the first generation. */
  readonly ready: ReadyRequest | undefined;
  /** Requests that wait for those of the generation's other members. */
  readonly gatherings: Gatherings;
  /** What the generation's members have written and nobody has used yet. */
  readonly uploads: VectorCollection;
  /** Asks what an event means for the membership, and does it. */
  apply(event: MembershipEvent): void;
  /** Writes down what becomes known between two generations. */
  note(known: Partial<JournalEntry>): void;
  /** Ends the run now, with what there is as a checkpoint. */
  fail(message: string): void;
}

export interface Gatherings {
  readonly beginnings: Gathering<null>;
  readonly snapshots: Gathering<SnapshotPart>;
  readonly losses: Gathering<ValidationRequest>;
}
