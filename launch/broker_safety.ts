/**
 * Which brokers a run may be entrusted to. Who reads its messages sees the data and the weights, and
 * who writes them decides the result: beyond this machine it takes TLS and a login, unless somebody
 * has said in so many words that it need not.
 */
import { brokerList } from "../net/broker_pool.ts";
import type { ClientCertificate } from "../net/client_certificate.ts";
import type { Connection } from "./connection_file.ts";
import { type GivenFlags, UsageError } from "./flags.ts";

export const insecureFlag = {
  kind: "switch",
  help: "allow a broker beyond this machine without TLS or without a login",
} as const;

export const caFlag = {
  kind: "text",
  value: "FILE",
  help: "certificates (PEM) that sign the broker's, for tls://; the system's where not given",
} as const;

export const brokerTlsFlags = {
  "tls-ca": caFlag,
  "tls-cert": {
    kind: "text",
    value: "FILE",
    help: "certificate (PEM) to show to a broker that asks for one",
  },
  "tls-key": { kind: "text", value: "FILE", help: "key (PEM) of that certificate" },
  "tls-first": {
    kind: "switch",
    help:
      "begin with the TLS handshake, before the broker's greeting, without waiting for it first",
  },
} as const;

/** Whether only processes of this machine reach the address. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "").toLowerCase();
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * @throws {UsageError} where an address is none or holds a login, or the way to the broker is open
 * to others and `insecure` is not set
 */
export function checkBroker(connection: Connection, insecure: boolean): void {
  const urls = brokerList(connection.url);
  for (const url of urls.length === 0 ? [connection.url] : urls) {
    checkAddress(url, connection, insecure);
  }
}

/** Whether a run may go to a server that the named ones tell of. */
export function mayUseTold(insecure: boolean): (hostname: string, tls: boolean) => boolean {
  return (hostname, tls) => tls || insecure || isLoopback(hostname);
}

function checkAddress(
  url: string,
  { credentials, credentialsPath, clientCertificate }: Connection,
  insecure: boolean,
): void {
  const withScheme = url.includes("://") ? url : `nats://${url}`;
  const { hostname, protocol, username, password } = URL.parse(withScheme) ?? {};
  // Not quoted: it may hold a login.
  if (!hostname) {
    throw new UsageError(
      "Cannot read the broker's address: expected nats://HOST:PORT, or several with commas between",
    );
  }
  // A user without a password is a token.
  if (username || password) {
    throw new UsageError(
      `Cannot take a login from the address of the broker at ${hostname}: other processes see it on ` +
        `a command line; leave it out there, and ${waysToLogIn}`,
    );
  }
  if (insecure || isLoopback(hostname)) return;
  if (protocol !== "tls:") {
    throw new UsageError(
      `Cannot use the broker at ${hostname} without TLS: name it as tls://…, or add --insecure where ` +
        "nobody else reaches the network between here and there",
    );
  }
  const hasLogin = [credentials, credentialsPath, clientCertificate].some((each) =>
    each !== undefined
  );
  if (!hasLogin) {
    throw new UsageError(
      `Cannot use the broker at ${hostname} without a login: ${waysToLogIn}, or add --insecure where ` +
        "nobody else reaches it",
    );
  }
}

const waysToLogIn = "give --nats-credentials FILE or --nats-token FILE, or set " +
  "LOCKSTEP_NATS_USER and LOCKSTEP_NATS_PASSWORD, or LOCKSTEP_NATS_TOKEN";

/** @throws {UsageError} where a broker of our own would listen to others without TLS */
export function checkOwnBroker(host: string, hasTls: boolean, insecure: boolean): void {
  if (insecure || hasTls || isLoopback(host)) return;
  throw new UsageError(
    `Cannot listen on ${host} without TLS: give --tls-cert and --tls-key (and --tls-ca where no known ` +
      "authority signed them), or add --insecure where nobody else reaches this network",
  );
}

/** The certificates in a file. @throws {UsageError} where it cannot be read or holds none */
export async function readCertificates(path: string, flag = "--tls-ca"): Promise<string> {
  return await readPem(path, flag, /-----BEGIN CERTIFICATE-----/, "certificate");
}

/**
 * What `--tls-cert` and `--tls-key` name; undefined where they name nothing.
 * @throws {UsageError} for one without the other, or a file that holds no such thing
 */
export async function readClientCertificate(
  given: GivenFlags,
): Promise<ClientCertificate | undefined> {
  const paths = [given["tls-cert"], given["tls-key"]] as (string | undefined)[];
  const [certificate, key] = paths;
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined || key === undefined) {
    throw new UsageError("Give --tls-cert and --tls-key together");
  }
  return {
    certificate: await readCertificates(certificate, "--tls-cert"),
    key: await readPem(key, "--tls-key", /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/, "key"),
  };
}

async function readPem(path: string, flag: string, begin: RegExp, what: string): Promise<string> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Cannot read ${flag} ${path}: ${why}`, { cause });
  }
  if (begin.test(text)) return text;
  throw new UsageError(`Cannot use ${flag} ${path}: it holds no ${what} in PEM`);
}
