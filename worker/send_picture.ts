/**
 * Sample predictions on their way to the coordinator, which draws them. Whatever goes wrong with a
 * picture costs a warning: hours of training must not fail for want of one.
 */
import { AllReduceError } from "../collective/reduction.ts";
import {
  classNameLengthMax,
  classNamesMax,
  sampleLabelLengthMax,
  sentenceLengthMax,
} from "../net/messages.ts";
import { TransportError } from "../net/transport.ts";
import {
  ConnectionLostError,
  type GenerationClient,
  GenerationEndedError,
  RunEndedError,
} from "./coordinator_client.ts";
import { fitSamples } from "./fitted_samples.ts";
import type { GenerationTrainer } from "./opened_run.ts";
import type { Position } from "./position.ts";

/** What ends a generation or a run, whatever is under way. */
const endings = [
  ...[GenerationEndedError, RunEndedError, ConnectionLostError],
  ...[TransportError, AllReduceError],
];

/** @throws {Error} where the generation or the run is over, and for nothing else */
export async function sendPicture(
  conversation: Pick<GenerationClient, "writeVector" | "picture">,
  samples: GenerationTrainer["samples"],
  frameShape: readonly number[],
  { step }: Position,
  isLast: boolean,
): Promise<void> {
  try {
    await send(conversation, samples, frameShape, step, isLast);
  } catch (error) {
    if (endings.some((ending) => error instanceof ending)) throw error;
    const why = error instanceof Error ? error.message : String(error);
    const nothing = { height: 0, width: 0, channels: 0, samples: [] };
    await conversation.picture({
      step,
      isLast,
      ...nothing,
      failure: why.slice(0, sentenceLengthMax),
    });
  }
}

async function send(
  conversation: Pick<GenerationClient, "writeVector" | "picture">,
  samples: GenerationTrainer["samples"],
  frameShape: readonly number[],
  step: number,
  isLast: boolean,
): Promise<void> {
  const drawn = await samples();
  // A network that predicts no frames has none.
  if (drawn.length === 0) return;
  const channels = frameShape[2];
  const { count, height, width, reduce } = fitSamples(drawn, frameShape, channels);
  if (count === 0) {
    throw new RangeError(
      `${drawn[0].frames} frames of ${frameShape.join("x")} are more than a picture holds`,
    );
  }
  const fitting = drawn.slice(0, count);
  for (const [index, sample] of fitting.entries()) {
    // One at a time: others are heard of while it is sent.
    const { truth, predictions, answer } = reduce(sample);
    await conversation.writeVector(`sample/${index}/truth`, truth);
    await conversation.writeVector(`sample/${index}/predictions`, predictions);
    if (answer) await conversation.writeVector(`sample/${index}/seen`, answer.seen);
  }
  const described = fitting.map(({ label, frames, firstPredicted }) => ({
    label: label.slice(0, sampleLabelLengthMax),
    frames,
    firstPredicted,
  }));
  const [{ answer }] = fitting;
  const picture = { step, height, width, samples: described, isLast };
  if (!answer) return await conversation.picture({ ...picture, channels });
  const classes = answer.classes.slice(0, classNamesMax)
    .map((name) => name.slice(0, classNameLengthMax));
  await conversation.picture({ ...picture, channels: answer.channels, answers: { classes } });
}
