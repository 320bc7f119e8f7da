/** `deno task worker`, whose first life sends garbage to everybody among its gradients. */
import { runCommand } from "../../launch/exit_codes.ts";
import { workerCommand } from "../../launch/worker.ts";
import { connectNats } from "../../net/nats_transport.ts";
import { openRun } from "../../worker/open_run.ts";
import { garbageSender } from "./garbage_sender.ts";

const [run, from] = ["--run", "--name"].map((flag) => Deno.args[Deno.args.indexOf(flag) + 1]);

await runCommand(() =>
  workerCommand(Deno.args, {
    async connect(options) {
      const transport = await connectNats(options);
      if (options.name !== `${from} data` || from.includes("-")) return transport;
      return garbageSender(transport, { run, from, to: "everybody", after: 50 });
    },
    open: openRun,
  })
);
