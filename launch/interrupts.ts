/**
 * Signals that ask for an end. Ctrl-C: the first asks for a checkpoint and an orderly end, the second
 * ends at once. A terminal sends it to every process of its group, and `deno task` passes on what it
 * gets too, so that one press may arrive twice: what comes within a moment of the first counts as the
 * same press. Warnings ask for the same end and are no press, however many come: SIGUSR1 and SIGUSR2,
 * which batch systems send before their time limit, and SIGHUP, where the terminal is closed.
 */
import { type Clock, systemClock } from "../net/clock.ts";
import { isHangupIgnored } from "./hangup.ts";

const samePressMs = 500;
const presses = ["SIGINT", "SIGTERM"] as const;
const warnings = ["SIGHUP", "SIGUSR1", "SIGUSR2"] as const;
export type InterruptSignal = typeof presses[number] | typeof warnings[number];

export interface InterruptHandlers {
  /** Called once. */
  readonly onFirst: (signal: InterruptSignal) => void;
  /** Called once, with the first warning that comes after a press. */
  readonly onLaterWarning?: (signal: InterruptSignal) => void;
  readonly onSecond: () => void;
}

/** Whether it is a press, which a second one of its kind makes an end at once. */
export function isPress(signal: InterruptSignal): boolean {
  return presses.some((each) => each === signal);
}

/** Asked when the program begins, before anybody listens. */
let ignoresHangup: boolean | undefined;

/**
 * The runtime ends at a SIGHUP that was to be ignored, so an ear is needed for that as well. To be
 * called by every command before it begins; what a launcher started leaves hangups to its launcher.
 */
export function keepHangupIgnored(hasLauncher: boolean): void {
  if (ignoresHangup !== undefined || Deno.build.os === "windows") return;
  ignoresHangup = hasLauncher || isHangupIgnored();
  if (ignoresHangup) Deno.addSignalListener("SIGHUP", () => {});
}

/** Listens until the returned function is called. */
export function onInterrupt(
  { onFirst, onLaterWarning, onSecond }: InterruptHandlers,
  clock: Clock = systemClock,
): () => void {
  let isAsked = false;
  let isWarned = false;
  let firstPressMs: number | undefined;
  const ask = (signal: InterruptSignal) => {
    if (!isAsked) onFirst(signal);
    isAsked = true;
  };
  const warn = (signal: InterruptSignal) => {
    if (isAsked && !isWarned) onLaterWarning?.(signal);
    isWarned = true;
    ask(signal);
  };
  const press = (signal: InterruptSignal) => {
    if (firstPressMs === undefined) {
      firstPressMs = clock.nowMs();
      ask(signal);
    } else if (clock.nowMs() - firstPressMs >= samePressMs) {
      onSecond();
    }
  };
  const heard = [
    ...presses.map((signal) => [signal, () => press(signal)] as const),
    ...warnings.filter((signal) => signal !== "SIGHUP" || !ignoresHangup)
      .map((signal) => [signal, () => warn(signal)] as const),
  ];
  for (const [signal, listener] of heard) Deno.addSignalListener(signal, listener);
  return () => {
    for (const [signal, listener] of heard) Deno.removeSignalListener(signal, listener);
  };
}
