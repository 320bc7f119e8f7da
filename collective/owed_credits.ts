/**
 * When each of the other ranks is told what we hold of its chunks: once a quarter of its window has
 * come, when one is missing, and when it asks. Whoever has been silent for a while although we wait for
 * it is asked for a credit of its own, which shows whether something was lost on the way.
 */

interface Sender {
  heardSequence: number;
  /** What has come since it was last told. */
  untoldBytes: number;
  /** Something has come since `askTheSilent`. */
  isHeard: boolean;
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

  /** Asks those that nothing has come from since the last time. */
  askTheSilent(isAwaited: (rank: number) => boolean): void {
    for (const [rank, sender] of this.#senders.entries()) {
      if (!sender.isHeard && isAwaited(rank)) sender.owed = "question";
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
