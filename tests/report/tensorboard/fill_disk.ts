/**
 * Writes events until the system refuses, and tells how many were lost; run under a limit on the size
 * of files, which fails as a full disk does: a part of a record is written, then nothing.
 */
import { EventFile } from "../../../report/tensorboard/event_file.ts";

let lost = 0;
const events = new EventFile({
  folder: Deno.args[0],
  resumedStep: 0,
  timeOfDay: () => "2026-03-01T12:00:00Z",
  onLost: () => lost++,
});
const written = Number(Deno.args[1]);
for (let step = 1; step <= written; step++) {
  events.summary(step, [{ tag: "a tag that makes the record longer".repeat(30), scalar: step }]);
}
events.restart(3);
events.close();
console.log(JSON.stringify({ lost, path: events.path }));
