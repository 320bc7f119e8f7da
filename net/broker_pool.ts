/**
 * The servers that a connection may go to: those that were named, and those that a server of their
 * cluster tells of while one is connected. The next connection begins with one that was not lost, so
 * that a run outlives any server of a cluster.
 */
import { BrokerAddressError } from "./transport.ts";

export interface BrokerAddress {
  readonly hostname: string;
  readonly port: number;
  /** Whether TLS is insisted on. */
  readonly tls: boolean;
  /**
   * The name that its certificate must be for. A cluster tells of its servers by IP address, which few
   * certificates hold: those go by the name of the server that told.
   */
  readonly tlsName: string;
  /** Named, and not told of. */
  readonly isNamed: boolean;
}

/** A cluster of more servers is not told of whole. */
const toldMax = 64;

/** @throws {BrokerAddressError} for what is no address; a login in it is never in the sentence */
export class BrokerPool {
  readonly #mayUse: (hostname: string, tls: boolean) => boolean;
  #order: readonly BrokerAddress[];

  /** @param mayUse whether to go to a server that was told of */
  constructor(
    servers: readonly string[],
    mayUse: (hostname: string, tls: boolean) => boolean = () => true,
  ) {
    this.#order = servers.map(parseBroker).map(({ address }) => address);
    this.#mayUse = mayUse;
  }

  /** In the order in which they are to be tried. */
  get addresses(): readonly BrokerAddress[] {
    return this.#order;
  }

  /** The named ones, for sentences: "nats://a:4222, nats://b:4222". */
  toString(): string {
    return this.#order.filter(({ isNamed }) => isNamed).map(addressText).join(", ");
  }

  /** To be tried last from now on. */
  demote(address: BrokerAddress): void {
    const others = this.#order.filter((each) => each !== address);
    if (others.length < this.#order.length) this.#order = [...others, address];
  }

  /** Takes what a server tells of its cluster: all of it, "host:port" each; what it leaves out is gone. */
  learn(urls: readonly string[], teller: BrokerAddress): void {
    const told = urls.slice(0, toldMax).flatMap((url): BrokerAddress[] => {
      const parsed = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(url);
      if (parsed === null) return [];
      const [, ipv6, name, port] = parsed;
      const hostname = ipv6 ?? name;
      const isIp = ipv6 !== undefined || /^[\d.]+$/.test(hostname);
      return [{
        hostname,
        port: Number(port),
        tls: teller.tls,
        tlsName: isIp ? teller.tlsName : hostname,
        isNamed: false,
      }];
    });
    const isSame = (a: BrokerAddress, b: BrokerAddress) =>
      a.hostname === b.hostname && a.port === b.port;
    // What is known keeps its place, and with it what was found out about it.
    const kept = this.#order.filter((each) =>
      each.isNamed || each === teller || told.some((one) => isSame(one, each))
    );
    const added = told.filter((one) =>
      !kept.some((each) => isSame(one, each)) && this.#mayUse(one.hostname, one.tls)
    );
    this.#order = [...kept, ...added];
  }
}

/** "nats://host:port" */
export function addressText({ hostname, port, tls }: BrokerAddress): string {
  const host = hostname.includes(":") ? `[${hostname}]` : hostname;
  return `${tls ? "tls" : "nats"}://${host}:${port}`;
}

/** @throws {BrokerAddressError} for what is no address; a login in it is never in the sentence */
export function parseBroker(server: string): { address: BrokerAddress; url: URL } {
  const withScheme = server.includes("://") ? server : `nats://${server}`;
  let url: URL;
  try {
    url = new URL(withScheme);
  } catch {
    // It may hold a login, and so does the cause's message.
    const shown = server.replace(/^([a-z]+:\/\/)?.*@/, "$1");
    throw new BrokerAddressError(
      `Cannot read the server address "${shown}": expected nats://host:port`,
    );
  }
  if ((url.protocol !== "nats:" && url.protocol !== "tls:") || url.hostname === "") {
    throw new BrokerAddressError(
      `Cannot connect to "${url.protocol}//${url.host}": expected nats://host:port`,
    );
  }
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const address = {
    hostname,
    port: Number(url.port || 4222),
    tls: url.protocol === "tls:",
    tlsName: hostname,
    isNamed: true,
  };
  return { address, url };
}

/** The addresses in a list, as every NATS client takes it: "nats://a:4222,nats://b:4222". */
export function brokerList(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}
