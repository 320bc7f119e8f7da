/**
 * How a worker finds its run: broker, run name and login in one small file, written beside the run
 * for its owner's eyes only, so that no secret is ever on a command line.
 */
import { parseJson } from "../net/strict_json.ts";
import type { ClientCertificate } from "../net/client_certificate.ts";
import { UsageError } from "./flags.ts";

export interface Connection {
  /** "nats://host:port", or several of one cluster with commas between. */
  readonly url: string;
  readonly run: string;
  readonly credentials?: SecretLogin;
  /** A file with the login, which is never part of a connection file. */
  readonly credentialsPath?: string;
  /** Certificates in PEM that sign the broker's, for "tls://" with an authority of one's own. */
  readonly ca?: string;
  /** Whether TLS begins before the broker's greeting. */
  readonly tlsFirst?: boolean;
  /** Certificate of whoever connects, which is never part of a connection file. */
  readonly clientCertificate?: ClientCertificate;
}

/** What a broker is logged in to with, where it is no file. */
export type SecretLogin =
  | { readonly user: string; readonly password: string }
  | { readonly token: string };

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
  const { url, run, credentials, ca, tlsFirst } = (value ?? {}) as Partial<Connection>;
  const isText = typeof url === "string" && isRunName(run) &&
    (ca === undefined || typeof ca === "string");
  if (!isText || !isLogin(credentials) || ![undefined, true, false].includes(tlsFirst)) {
    throw new UsageError(`Cannot use ${path}: it is not a connection file of a coordinator`);
  }
  return {
    ...{ url, run, credentials },
    ...(ca === undefined ? {} : { ca }),
    ...(tlsFirst === undefined ? {} : { tlsFirst }),
  };
}

function isLogin(value: unknown): value is SecretLogin | undefined {
  if (value === undefined) return true;
  const { user, password, token } = (value ?? {}) as Record<string, unknown>;
  return typeof token === "string" || typeof user === "string" && typeof password === "string";
}

/** A run's name becomes part of subjects, where dots and stars mean something. */
export function isRunName(name: unknown): name is string {
  return typeof name === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(name);
}

/** The sentence for a run's name that is none. */
export function wrongRunName(name: string): string {
  return `--run must be 1 to 64 letters, digits, dashes or underscores: found "${name}"`;
}

/**
 * Login from <prefix>_USER and <prefix>_PASSWORD, where both are set, or from <prefix>_TOKEN.
 * @throws {UsageError} where all are: which one the broker takes is not to be guessed
 */
export function credentialsFromEnvironment(prefix = "LOCKSTEP_NATS"): Connection["credentials"] {
  const [user, password, token] = ["USER", "PASSWORD", "TOKEN"].map((name) =>
    Deno.env.get(`${prefix}_${name}`) || undefined
  );
  const hasUser = user !== undefined && password !== undefined;
  if (hasUser && token !== undefined) {
    throw new UsageError(
      `Cannot log in with both ${prefix}_TOKEN and ${prefix}_USER: unset the one that the broker ` +
        "does not take",
    );
  }
  if (token !== undefined) return { token };
  return hasUser ? { user, password } : undefined;
}

/** The variables that hold it, and empty ones for what is not to be inherited. */
export function environmentOf(
  login: SecretLogin | undefined,
  prefix = "LOCKSTEP_NATS",
): Record<string, string> {
  if (login === undefined) return {};
  const { user, password, token } = { user: "", password: "", token: "", ...login };
  return {
    [`${prefix}_USER`]: user,
    [`${prefix}_PASSWORD`]: password,
    [`${prefix}_TOKEN`]: token,
  };
}
