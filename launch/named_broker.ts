/**
 * The broker that `--nats` and the flags beside it name: how it is reached and logged in to. Secrets
 * come from files and the environment, which other processes do not see.
 */
import { brokerList, BrokerPool } from "../net/broker_pool.ts";
import type { NatsCredentials, NatsOptions } from "../net/nats_transport.ts";
import {
  brokerTlsFlags,
  checkBroker,
  insecureFlag,
  mayUseTold,
  readCertificates,
  readClientCertificate,
} from "./broker_safety.ts";
import { type Connection, credentialsFromEnvironment } from "./connection_file.ts";
import {
  credentialsFlag,
  readCredentialsFile,
  readTokenFile,
  tokenFlag,
} from "./credentials_file.ts";
import { type FlagTable, type GivenFlags, UsageError } from "./flags.ts";

export const brokerFlags = {
  nats: {
    kind: "text",
    value: "URL,…",
    repeats: true,
    help: "broker, or servers of one cluster; a login is read from LOCKSTEP_NATS_USER and " +
      "LOCKSTEP_NATS_PASSWORD, or LOCKSTEP_NATS_TOKEN",
  },
  "nats-credentials": credentialsFlag,
  "nats-token": tokenFlag,
  ...brokerTlsFlags,
  insecure: insecureFlag,
} as const satisfies FlagTable;

/** Flags that name files. */
export const brokerFileFlags = [
  "nats-credentials",
  "nats-token",
  "tls-ca",
  "tls-cert",
  "tls-key",
] as const;

/**
 * @returns undefined where `--nats` names none
 * @throws {UsageError} for what cannot be used, or is open to others
 */
export async function namedBroker(
  given: GivenFlags,
  run: string,
): Promise<Connection | undefined> {
  const ca = given["tls-ca"] === undefined
    ? undefined
    : await readCertificates(given["tls-ca"] as string);
  if (given.nats === undefined) {
    const idle = ["nats-credentials", "nats-token"].find((name) => given[name] !== undefined);
    if (idle !== undefined) throw new UsageError(`Give --${idle} with --nats`);
    return undefined;
  }
  const connection: Connection = {
    ...{ url: brokerList(given.nats as string).join(","), run, ca },
    ...await ownCredentials(given),
    credentials: await secretOf(given),
    ...(given["tls-first"] === true ? { tlsFirst: true } : {}),
  };
  checkBroker(connection, given.insecure === true);
  return connection;
}

/** What every process shows for itself, whoever told it of the broker. */
export async function ownCredentials(
  given: GivenFlags,
): Promise<Pick<Connection, "credentialsPath" | "clientCertificate">> {
  const credentialsPath = given["nats-credentials"] as string | undefined;
  // What is wrong with it is told before anything is made.
  if (credentialsPath !== undefined) await readCredentialsFile(credentialsPath);
  return { credentialsPath, clientCertificate: await readClientCertificate(given) };
}

/** From `--nats-token`, else from the environment. */
export async function secretOf(given: GivenFlags): Promise<Connection["credentials"]> {
  const path = given["nats-token"] as string | undefined;
  if (path === undefined) return credentialsFromEnvironment();
  if (given["nats-credentials"] !== undefined) {
    throw new UsageError("Give --nats-token or --nats-credentials, not both");
  }
  return await readTokenFile(path);
}

/** Where else to go is remembered from one connection to the next, as long as the list is the same. */
export function createBrokerPools(insecure: boolean): (url: string) => BrokerPool {
  let pool: BrokerPool | undefined;
  let list = "";
  return (url) => {
    if (pool === undefined || url !== list) {
      pool = new BrokerPool(brokerList(url), mayUseTold(insecure));
    }
    list = url;
    return pool;
  };
}

/** How to connect, with the login as it is now: a file with one may be replaced at any time. */
export async function brokerOptions(
  { credentials, credentialsPath, ca, tlsFirst, clientCertificate }: Connection,
): Promise<Omit<NatsOptions, "servers" | "name">> {
  const login: NatsCredentials | undefined = credentialsPath === undefined
    ? credentials
    : await readCredentialsFile(credentialsPath);
  return {
    credentials: login,
    ...(ca === undefined ? {} : { caCertificates: [ca] }),
    ...(tlsFirst === undefined ? {} : { handshakeFirst: tlsFirst }),
    ...(clientCertificate === undefined ? {} : { clientCertificate }),
  };
}
