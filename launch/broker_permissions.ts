/**
 * What the broker lets each role say and hear. Only the coordinator may speak to all workers, only
 * workers may speak to it and exchange gradients, each under its own names only, and nobody hears
 * another login's answers.
 *
 * On one machine `train` gives each worker a login of its own. Workers that share one, as those with
 * one connection file do, can speak for each other.
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

export interface WorkerLogin extends Login {
  /** What its worker may be called. @default {anything} */
  readonly names?: readonly string[];
}

/** Lives of a worker that are told apart by name; those before are long forgotten. */
const namedLives = 101;

/** Name of the worker in a place of the cluster, which the lives around it have not. */
export function workerNameOf(place: number, life: number): string {
  const named = life % namedLives;
  return named === 0 ? `w${place}` : `w${place}-${named}`;
}

/** Logins for as many workers as the broker is to tell apart, each with the names of all its lives. */
export function workerLogins(count: number): WorkerLogin[] {
  return Array.from({ length: count }, (_, place) => ({
    user: workerNameOf(place, 0),
    password: secretToken(24),
    names: Array.from({ length: namedLives }, (_, life) => workerNameOf(place, life)),
  }));
}

/** One login for all workers of a run: the broker cannot tell them apart. */
export function sharedLogin(): WorkerLogin {
  return { user: "worker", password: secretToken(24) };
}

/** Hears what workers say, answers them and speaks to all of them; sees no gradient. */
export function coordinatorPermissions(run: string, user: string): Permissions {
  const { workers, from, joinBefore3, coordinators } = runSubjects(run);
  return {
    publish: { allow: [workers, coordinators, `${inboxPrefix(undefined)}.>`] },
    subscribe: { allow: [`${from}.*.*`, joinBefore3, coordinators, `${inboxPrefix(user)}.>`] },
  };
}

/** Speaks to the coordinator, hears it, and exchanges gradients with other workers. */
export function workerPermissions(
  run: string,
  { user, names = ["*"] }: Omit<WorkerLogin, "password">,
): Permissions {
  const { workers, data, from, joinBefore3 } = runSubjects(run);
  return {
    publish: {
      allow: [...names.flatMap((name) => [`${from}.${name}.*`, `${data}.${name}.>`]), joinBefore3],
    },
    subscribe: { allow: [workers, `${data}.>`, `${inboxPrefix(user)}.>`] },
  };
}
