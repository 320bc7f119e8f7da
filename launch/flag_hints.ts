/**
 * What other trainers' flags are here: the name of the same thing, or in a sentence what does its work.
 */

/** Flags that mean the same under another name. */
const sameAs: Readonly<Record<string, string>> = {
  "lr": "learning-rate",
  "batch-size": "lanes",
  "gpus": "workers",
  "nproc-per-node": "workers",
  "weights": "init",
  "init-from": "init",
  "load-weights": "init",
  "pretrained": "init",
  "from-checkpoint": "init",
  "max-epochs": "epochs",
  "max-steps": "steps",
  "output": "out",
  "gradient-clip-val": "clip-norm",
  "resume-from": "resume",
  "tls-client-cert": "tls-cert",
  "tls-client-key": "tls-key",
};

/** What there is in place of a flag that is not there. */
const inPlaceOf: Readonly<Record<string, string>> = {
  "patience":
    "the checkpoint with the lowest validation loss is kept, and evaluate and predict take it with --best",
  "max-time":
    "SIGTERM or SIGUSR2 ends a run with a checkpoint, e.g. by `timeout` or Slurm's --signal",
  "validate-every":
    "validation comes at the end of each epoch; fewer --sequences make epochs shorter",
  "accumulate": "more --lanes make a step of more windows, and --shards keep each call small",
  "freeze": "a module of your own, --model FILE.ts, decides which of its values are parameters",
  "lr-find": "a few runs of --steps 50 with other --learning-rate tell as much",
  "keep-checkpoints": "the last 3 and the best one are kept",
  "min-lr": "--schedule cosine ends at a hundredth of --learning-rate, one-cycle at a 250,000th",
  "nats-token": "a token is a secret that other processes would see; set LOCKSTEP_NATS_TOKEN",
  "nats-user":
    "a login is seen by other processes; set LOCKSTEP_NATS_USER and LOCKSTEP_NATS_PASSWORD",
  "nats-password":
    "a login is seen by other processes; set LOCKSTEP_NATS_USER and LOCKSTEP_NATS_PASSWORD",
};

const aliases: Readonly<Record<string, string>> = {
  "early-stopping": "patience",
  "time-limit": "max-time",
  "val-check-interval": "validate-every",
  "accumulate-grad-batches": "accumulate",
  "gradient-accumulation-steps": "accumulate",
  "save-top-k": "keep-checkpoints",
  "token": "nats-token",
};

/**
 * @param name without dashes in front
 * @param known names of the flags that the command takes
 * @returns undefined for a name that no other trainer is known to have
 */
export function flagHint(name: string, known: readonly string[]): string | undefined {
  const same = sameAs[name];
  if (same !== undefined) return known.includes(same) ? `it is --${same} here` : undefined;
  return inPlaceOf[aliases[name] ?? name];
}
