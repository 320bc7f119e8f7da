/** The coordinator of a run as `bare_run.ts` has it; it does not outlive its broker. */
import { coordinate } from "../launch/coordinate.ts";
import { coordinatorFlags, namedConnection } from "../launch/coordinator.ts";
import { runCommand } from "../launch/exit_codes.ts";
import { UsageError } from "../launch/flags.ts";
import { endWithParent } from "../launch/parent_process.ts";
import { readFlags, resolveRun } from "../launch/run_options.ts";
import { connectNats } from "../net/nats_transport.ts";
import { withoutBeats } from "./bare_run.ts";

if (import.meta.main) {
  await runCommand(async () => {
    const given = await readFlags(Deno.args, coordinatorFlags);
    const connection = await namedConnection(given);
    if (connection === undefined) throw new UsageError("Give --nats URL and --run NAME");
    endWithParent();
    const { url, run, credentials } = connection;
    const transport = await connectNats({ servers: url, credentials, name: "coordinator" });
    try {
      return await coordinate(withoutBeats(transport, run), run, await resolveRun(given), {
        onStart: () => {},
      });
    } finally {
      await transport.close();
    }
  });
}
