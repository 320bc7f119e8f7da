/**
 * TLS with a certificate of our own, for servers that ask for one. Deno's own sockets show a
 * certificate only where TLS comes first, and a NATS server greets before it: so these connections go
 * through Node's.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";

/** PEM. */
export interface ClientCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** What the socket above needs of a connection, whoever's it is. */
export interface Wire {
  /** Into `buffer`; null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** @returns how much of it was taken */
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

export interface CertificateOptions extends ClientCertificate {
  readonly hostname: string;
  readonly port: number;
  /** What the server's certificate must be for. */
  readonly tlsName: string;
  /** PEM, in place of the system's. */
  readonly caCertificates: readonly string[];
}

/** An open connection that is not encrypted yet. */
export interface PlainConnection {
  readonly wire: Wire;
  /** @throws {Error} where either side does not take the other's certificate */
  encrypt(): Promise<Wire>;
}

/** @throws {Error} where nobody listens */
export async function connectWithCertificate(
  options: CertificateOptions,
): Promise<PlainConnection> {
  const { hostname, port, tlsName, caCertificates, certificate, key } = options;
  const socket = connectTcp({ host: hostname, port, noDelay: true });
  await settled(socket, "connect");
  const wire = wireOf(socket);
  return {
    wire,
    async encrypt() {
      wire.release();
      const encrypted: TLSSocket = connectTls({
        socket,
        // Checked against the certificate, and sent where it is no IP address, as TLS has it.
        host: tlsName,
        ...(/^[\d.]+$|:/.test(tlsName) ? {} : { servername: tlsName }),
        ...(caCertificates.length === 0 ? {} : { ca: [...caCertificates] }),
        cert: certificate,
        key,
      });
      await settled(encrypted, "secureConnect");
      return wireOf(encrypted);
    },
  };
}

function settled(socket: Socket, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, () => {
      socket.off("error", reject);
      resolve();
    });
    socket.once("error", reject);
  });
}

function wireOf(socket: Socket): Wire & { release(): void } {
  let waiting: (() => void) | undefined;
  let failure: Error | undefined;
  let isOver = false;
  const wake = () => {
    waiting?.();
    waiting = undefined;
  };
  const onError = (error: Error) => {
    failure = error;
    wake();
  };
  const onEnd = () => {
    isOver = true;
    wake();
  };
  socket.on("error", onError);
  socket.on("end", onEnd).on("close", onEnd).on("readable", wake);
  return {
    async read(buffer) {
      for (;;) {
        const available = socket.readableLength;
        const chunk: Uint8Array | null = available === 0
          ? socket.read()
          : socket.read(Math.min(available, buffer.length));
        if (chunk !== null) {
          // Without a length to ask for, what has come since may be more than there is room for.
          const taken = chunk.subarray(0, buffer.length);
          buffer.set(taken);
          if (taken.length < chunk.length) socket.unshift(chunk.subarray(taken.length));
          return taken.length;
        }
        if (failure) throw failure;
        if (isOver) return null;
        await new Promise<void>((resolve) => waiting = resolve);
      }
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => error ? reject(error) : resolve(bytes.length));
      }),
    close() {
      socket.destroy();
    },
    release() {
      socket.off("error", onError).off("end", onEnd).off("close", onEnd).off("readable", wake);
    },
  };
}
