/**
 * When each of the other ranks is told what we hold of its chunks: once a quarter of its window has
 * come, when one is missing, and when it asks. Whoever has been silent for a while although we wait for
 * it is asked for a credit of its own, which shows whether something was lost on the way.
 */

/**
 * Who is silent has most often nothing to send yet. Asked at every turn, it answers at every turn, and on
 * a slow way the questions and answers hold up the chunks that they ask for: each question that brings no
 * chunk doubles the turns until the next one, up to this many.
 */
const turnsBetweenMax = 8;

interface Sender {
  heardSequence: number;
  /** What has come since it was last told. */
  untoldBytes: number;
  /** Something has come since `askTheSilent`. */
  isHeard: boolean;
  /** Turns of `askTheSilent` between the last question and the next one, and how many are left. */
  turnsBetween: number;
  turnsLeft: number;
  owed: "nothing" | "credit" | "question";
}

/** What to tell a rank, and whether it is to answer. */
export interface OwedCredit {
  readonly to: number;
  readonly asks: boolean;
  readonly heardSequence: number;
}

export class OwedCredits {
  readonly #rank: number;
  readonly #senders: readonly Sender[];
  readonly #creditBytes: number;

  /** @param windowBytes what each may have under way to us */
  constructor(
    { rank, worldSize, windowBytes }: { rank: number; worldSize: number; windowBytes: number },
  ) {
    this.#rank = rank;
    this.#creditBytes = windowBytes / 4;
    this.#senders = Array.from({ length: worldSize }, () => ({
      heardSequence: 0,
      untoldBytes: 0,
      isHeard: false,
      turnsBetween: 1,
      turnsLeft: 1,
      owed: "nothing",
    }));
  }

  /** A chunk has come, wanted or not. */
  noteChunk(from: number, sequence: number, bytes: number): void {
    if (from === this.#rank) return;
    const sender = this.#senders[from];
    sender.heardSequence = Math.max(sender.heardSequence, sequence);
    sender.untoldBytes += bytes;
    sender.isHeard = true;
    if (sender.untoldBytes >= this.#creditBytes) this.owe(from);
  }

  /** A credit has come: all that was sent up to `sentSequence` has come or is lost. */
  noteCredit(from: number, sentSequence: number, asks: boolean): void {
    const sender = this.#senders[from];
    if (asks || sentSequence > sender.heardSequence) this.owe(from);
    sender.heardSequence = Math.max(sender.heardSequence, sentSequence);
  }

  /** `to` is to be told what we hold. */
  owe(to: number): void {
    const sender = this.#senders[to];
    if (sender.owed === "nothing") sender.owed = "credit";
  }

  /** One turn more: asks those that nothing has come from, the less often the longer they are silent. */
  askTheSilent(isAwaited: (rank: number) => boolean): void {
    for (const [rank, sender] of this.#senders.entries()) {
      if (sender.isHeard || !isAwaited(rank)) {
        sender.turnsBetween = sender.turnsLeft = 1;
      } else if (--sender.turnsLeft === 0) {
        sender.owed = "question";
        sender.turnsBetween = Math.min(2 * sender.turnsBetween, turnsBetweenMax);
        sender.turnsLeft = sender.turnsBetween;
      }
      sender.isHeard = false;
    }
  }

  /** The next to be told something; it counts as told. */
  next(): OwedCredit | undefined {
    const to = this.#senders.findIndex(({ owed }) => owed !== "nothing");
    if (to < 0) return undefined;
    const sender = this.#senders[to];
    const asks = sender.owed === "question";
    sender.owed = "nothing";
    sender.untoldBytes = 0;
    return { to, asks, heardSequence: sender.heardSequence };
  }
}
