/**
 * Which brokers a run may be entrusted to. Who reads its messages sees the data and the weights, and
 * who writes them decides the result: beyond this machine it takes TLS and a login, unless somebody
 * has said in so many words that it need not.
 */
import type { Connection } from "./connection_file.ts";
import { UsageError } from "./flags.ts";

export const insecureFlag = {
  kind: "switch",
  help: "allow a broker beyond this machine without TLS or without a login",
} as const;

export const caFlag = {
  kind: "text",
  value: "FILE",
  help: "certificates (PEM) that sign the broker's, for tls://; the system's where not given",
} as const;

/** Whether only processes of this machine reach the address. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * @throws {UsageError} where the address is none or holds a login, or the way to the broker is open
 * to others and `insecure` is not set
 */
export function checkBroker(
  { url, credentials, credentialsPath }: Connection,
  insecure: boolean,
): void {
  const withScheme = url.includes("://") ? url : `nats://${url}`;
  const { hostname, protocol, username, password } = URL.parse(withScheme) ?? {};
  // Not quoted: it may hold a login.
  if (!hostname) {
    throw new UsageError("Cannot read the broker's address: expected nats://HOST:PORT");
  }
  // A user without a password is a token.
  if (username || password) {
    throw new UsageError(
      `Cannot take a login from the address of the broker at ${hostname}: other processes see it on ` +
        "a command line; leave it out there, and give --nats-credentials FILE or set " +
        "LOCKSTEP_NATS_USER and LOCKSTEP_NATS_PASSWORD",
    );
  }
  if (insecure || isLoopback(hostname)) return;
  if (protocol !== "tls:") {
    throw new UsageError(
      `Cannot use the broker at ${hostname} without TLS: name it as tls://…, or add --insecure where ` +
        "nobody else reaches the network between here and there",
    );
  }
  if (credentials === undefined && credentialsPath === undefined) {
    throw new UsageError(
      `Cannot use the broker at ${hostname} without a login: give --nats-credentials, or set ` +
        "LOCKSTEP_NATS_USER and LOCKSTEP_NATS_PASSWORD, or add --insecure where nobody else reaches it",
    );
  }
}

/** @throws {UsageError} where a broker of our own would listen to others without TLS */
export function checkOwnBroker(host: string, hasTls: boolean, insecure: boolean): void {
  if (insecure || hasTls || isLoopback(host)) return;
  throw new UsageError(
    `Cannot listen on ${host} without TLS: give --tls-cert and --tls-key (and --tls-ca where no known ` +
      "authority signed them), or add --insecure where nobody else reaches this network",
  );
}

/** The certificates in a file. @throws {UsageError} where it cannot be read or holds none */
export async function readCertificates(path: string): Promise<string> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Cannot read --tls-ca ${path}: ${why}`, { cause });
  }
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new UsageError(`Cannot use --tls-ca ${path}: it holds no certificate in PEM`);
}
