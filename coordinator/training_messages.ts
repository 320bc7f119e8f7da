/** What workers tell of the training, on its way to the report: steps, validations, pictures. */
import {
  type PictureRequest,
  pictureSchema,
  progressSchema,
  validatingSchema,
  type ValidationRequest,
  validationSchema,
} from "../net/messages.ts";
import type { Message } from "../net/transport.ts";
import type { CheckpointMetrics } from "./checkpoint_manifest.ts";
import { accepted } from "./control_channel.ts";
import type { CoordinatedRun } from "./coordinated_run.ts";
import { sentence } from "./error_sentence.ts";
import type { Gathered } from "./gathering.ts";
import type { Handler, MessageFilter } from "./message_filter.ts";
import { createPictureQueue } from "./picture_queue.ts";
import { meanLosses } from "./validation_losses.ts";

export type TrainingVerb = "progress" | "validating" | "validation" | "pictures";

export interface TrainingMessages {
  readonly handlers: Readonly<Record<TrainingVerb, Handler>>;
  /** A generation begins after this step. */
  begin(step: number): void;
  /** What the last validation found, where it was after this step. */
  validationAt(step: number): CheckpointMetrics;
}

export function trainingMessages(
  run: CoordinatedRun,
  { heardNow, heardOfFirst }: MessageFilter,
): TrainingMessages {
  const { report, note } = run;
  const { reply } = run.control;
  const { losses } = run.gatherings;
  const pictures = createPictureQueue(report, run.uploads.take);
  /** The newest step that the generation has told of. */
  let toldStep = 0;
  let validated: { readonly step: number; readonly metrics: CheckpointMetrics } | undefined;

  const sumLosses = ({ values, messages }: Gathered<ValidationRequest>) => {
    for (const message of messages) reply(message, accepted());
    validated = undefined;
    const mean = meanLosses(values.map(({ shards }) => shards));
    if (mean === undefined) return;
    const [{ step, epoch }] = values;
    if (Object.values(mean).every(Number.isFinite)) validated = { step, metrics: mean };
    report.validated({ step, epoch, ...mean });
  };

  /** A picture that cannot be drawn costs a warning, never the run. */
  const noPicture = (error: unknown) => report.warn(`Cannot draw predictions: ${sentence(error)}`);
  const draw = async (message: Message, request: PictureRequest) => {
    let drawing: Promise<void> = Promise.resolve();
    try {
      if (request.failure !== undefined) throw new Error(request.failure);
      drawing = pictures.draw(request);
    } catch (error) {
      noPicture(error);
      // What came of it would be in the way of the next one.
      run.uploads.discard("sample/");
    }
    await drawing.catch(noPicture);
    reply(message, accepted());
  };

  return {
    handlers: {
      progress: heardOfFirst("progress", progressSchema, (progress) => {
        // A step is told once: what comes again would be written and counted again.
        if (progress.step <= toldStep) return;
        toldStep = progress.step;
        if (progress.fault !== "") note({ skipped: progress.step });
        report.progress(progress);
      }),
      validating: heardOfFirst(
        "validating",
        validatingSchema,
        ({ done, total }) => report.validating(done, total),
      ),
      validation: heardNow("validation", validationSchema, (request, message, worker) => {
        const complete = losses.add(worker, message, request);
        if (complete) sumLosses(complete);
      }),
      pictures: heardOfFirst(
        "pictures",
        pictureSchema,
        (request, message) => void draw(message, request),
      ),
    },
    begin(step) {
      toldStep = step;
    },
    validationAt: (step) => validated?.step === step ? validated.metrics : {},
  };
}
