/**
 * How a worker finds its run: broker, run name and login in one small file, written beside the run
 * for its owner's eyes only, so that no secret is ever on a command line.
 */
import { parseJson } from "../net/strict_json.ts";
import { UsageError } from "./flags.ts";

export interface Connection {
  /** "nats://host:port" */
  readonly url: string;
  readonly run: string;
  readonly credentials?: { readonly user: string; readonly password: string };
  /** A file with the login, which is never part of a connection file. */
  readonly credentialsPath?: string;
  /** Certificates in PEM that sign the broker's, for "tls://" with an authority of one's own. */
  readonly ca?: string;
}

export function connectionPath(out: string): string {
  return `${out}/connection.json`;
}

/** Whole at every moment: a coordinator that is started again finds its workers by it. */
export async function writeConnection(path: string, connection: Connection): Promise<void> {
  const text = JSON.stringify(connection, undefined, 2) + "\n";
  const temporary = `${path}.tmp`;
  await Deno.remove(temporary).catch(() => {});
  await Deno.writeTextFile(temporary, text, { mode: 0o600, createNew: true });
  await Deno.rename(temporary, path);
}

/** @throws {UsageError} where the file is missing or is not a connection file */
export async function readConnection(path: string): Promise<Connection> {
  let value: unknown;
  try {
    value = parseJson(await Deno.readTextFile(path));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Cannot read connection file ${path}: ${why}`, { cause });
  }
  const { url, run, credentials, ca } = (value ?? {}) as Partial<Connection>;
  const isLogin = credentials === undefined ||
    typeof credentials?.user === "string" && typeof credentials.password === "string";
  const isText = typeof url === "string" && isRunName(run) &&
    (ca === undefined || typeof ca === "string");
  if (!isText || !isLogin) {
    throw new UsageError(`Cannot use ${path}: it is not a connection file of a coordinator`);
  }
  return { url, run, credentials, ...(ca === undefined ? {} : { ca }) };
}

/** A run's name becomes part of subjects, where dots and stars mean something. */
export function isRunName(name: unknown): name is string {
  return typeof name === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(name);
}

/** The sentence for a run's name that is none. */
export function wrongRunName(name: string): string {
  return `--run must be 1 to 64 letters, digits, dashes or underscores: found "${name}"`;
}

/** Login from <prefix>_USER and <prefix>_PASSWORD, where both are set. */
export function credentialsFromEnvironment(prefix = "LOCKSTEP_NATS"): Connection["credentials"] {
  const user = Deno.env.get(`${prefix}_USER`);
  const password = Deno.env.get(`${prefix}_PASSWORD`);
  return user !== undefined && password !== undefined ? { user, password } : undefined;
}
