/**
 * What the broker lets each role say and hear. Only the coordinator may speak to all workers, only
 * workers may speak to it and exchange gradients, and nobody hears another login's answers.
 *
 * Workers that share a login can speak for each other: the sender's name is in the message, where
 * the broker does not look. On one machine `train` gives each worker a login of its own.
 */
import { runSubjects } from "../net/messages.ts";
import { inboxPrefix } from "../net/nats_transport.ts";
import { secretToken } from "../net/random.ts";

export interface Login {
  readonly user: string;
  readonly password: string;
}

/** In the form of nats-server's configuration. */
export interface Permissions {
  readonly publish: { readonly allow: readonly string[] };
  readonly subscribe: { readonly allow: readonly string[] };
}

/** Logins for as many workers as the broker is to tell apart. */
export function workerLogins(count: number): Login[] {
  return Array.from({ length: count }, (_, index) => ({
    user: `worker-${index}`,
    password: secretToken(24),
  }));
}

/** Hears what workers say, answers them and speaks to all of them; sees no gradient. */
export function coordinatorPermissions(run: string, user: string): Permissions {
  const { workers, data: _, ...fromWorkers } = runSubjects(run);
  return {
    publish: { allow: [workers, `${inboxPrefix(undefined)}.>`] },
    subscribe: { allow: [...Object.values(fromWorkers), `${inboxPrefix(user)}.>`] },
  };
}

/** Speaks to the coordinator, hears it, and exchanges gradients with other workers. */
export function workerPermissions(run: string, user: string): Permissions {
  const { workers, data, ...toCoordinator } = runSubjects(run);
  return {
    publish: { allow: [...Object.values(toCoordinator), `${data}.>`] },
    subscribe: { allow: [workers, `${data}.>`, `${inboxPrefix(user)}.>`] },
  };
}
