/**
 * Requests that are answered together: one from each active member of a generation. A new generation
 * answers whoever still waits that its own is over.
 */
import type { Message } from "../net/transport.ts";

export interface Gathering<T> {
  /** @returns everybody's values, in no order, once the last one is there; then it starts anew */
  add(worker: string, message: Message, value: T): Gathered<T> | undefined;
  /** Who is there and waits for the others, of those whose value is `wanted`. */
  waiting(wanted?: (value: T) => boolean): readonly string[];
  /** Answers all who wait and forgets them. */
  dismiss(answer: (message: Message) => void): void;
}

export interface Gathered<T> {
  readonly values: readonly T[];
  readonly messages: readonly Message[];
}

export function createGathering<T>(members: () => readonly string[]): Gathering<T> {
  let waiting = new Map<string, { message: Message; value: T }>();
  const take = () => {
    const entries = [...waiting.values()];
    waiting = new Map();
    return entries;
  };
  return {
    add(worker, message, value) {
      waiting.set(worker, { message, value });
      if (members().some((member) => !waiting.has(member))) return undefined;
      const entries = take();
      return {
        values: entries.map((entry) => entry.value),
        messages: entries.map((entry) => entry.message),
      };
    },
    waiting: (wanted = () => true) =>
      [...waiting].filter(([, { value }]) => wanted(value)).map(([worker]) => worker),
    dismiss(answer) {
      for (const { message } of take()) answer(message);
    },
  };
}
