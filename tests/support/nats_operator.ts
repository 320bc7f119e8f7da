/**
 * A nats-server of an operator, as a NATS service is: one account in memory, whose users log in with
 * a JWT and the nkey that it names. Keys and JWTs are made anew; nothing secret is kept.
 *
 * The form of the JWTs: nats-io/jwt, version 2 (ed25519-nkey over base64url of header and claims).
 */
import { nkeys } from "@nats-io/transport-node";
import { startTestServer, type TestServer } from "./nats_server.ts";

type KeyPair = ReturnType<typeof nkeys.createUser>;

export interface Operator {
  readonly server: TestServer;
  /** A `.creds` file's text. @param expiresInS seconds from now, negative for the past */
  credentials(options?: {
    expiresInS?: number;
    publish?: readonly string[];
    subscribe?: readonly string[];
  }): string;
}

/** The text of a bare seed file, and what the server knows it by. */
export function newNkey(): { seed: string; publicKey: string } {
  const key = nkeys.createUser();
  return { seed: seedOf(key), publicKey: key.getPublicKey() };
}

export async function startOperator(): Promise<Operator> {
  const [operator, account] = [nkeys.createOperator(), nkeys.createAccount()];
  const unlimited = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, conn: -1 };
  const operatorJwt = sign(operator, operator, "operator", {});
  const accountJwt = sign(account, operator, "account", {
    limits: { ...unlimited, leaf: -1, wildcards: true },
    default_permissions: { pub: {}, sub: {} },
  });
  const server = await startTestServer({
    config: `operator: ${operatorJwt}
      resolver: MEMORY
      resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
  });
  return {
    server,
    credentials({ expiresInS, publish = [">"], subscribe = [">"] } = {}) {
      const user = nkeys.createUser();
      const jwt = sign(user, account, "user", {
        pub: { allow: publish },
        sub: { allow: subscribe },
        ...{ subs: -1, data: -1, payload: -1 },
      }, expiresInS);
      return [
        "-----BEGIN NATS USER JWT-----",
        jwt,
        "------END NATS USER JWT------",
        "",
        "************************* IMPORTANT *************************",
        "",
        "-----BEGIN USER NKEY SEED-----",
        seedOf(user),
        "------END USER NKEY SEED------",
        "",
      ].join("\n");
    },
  };
}

function sign(
  subject: KeyPair,
  issuer: KeyPair,
  type: string,
  nats: Record<string, unknown>,
  expiresInS?: number,
): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    jti: crypto.randomUUID(),
    iat: now,
    iss: issuer.getPublicKey(),
    name: type,
    sub: subject.getPublicKey(),
    ...(expiresInS === undefined ? {} : { exp: now + expiresInS }),
    nats: { ...nats, type, version: 2 },
  };
  const body = [{ typ: "JWT", alg: "ed25519-nkey" }, claims]
    .map((part) => base64url(new TextEncoder().encode(JSON.stringify(part)))).join(".");
  return `${body}.${base64url(issuer.sign(new TextEncoder().encode(body)))}`;
}

function base64url(bytes: Uint8Array): string {
  return new Uint8Array(bytes).toBase64({ alphabet: "base64url", omitPadding: true });
}

function seedOf(key: KeyPair): string {
  return new TextDecoder().decode(key.getSeed());
}
