import assert from "node:assert/strict";
import {
  checkBroker,
  checkOwnBroker,
  isLoopback,
  readCertificates,
} from "../../launch/broker_safety.ts";
import { startNatsServer } from "../../launch/nats_server.ts";
import { connectNats, type NatsOptions } from "../../net/nats_transport.ts";
import { certificates, openssl } from "../support/certificates.ts";
import { findNatsServer, natsServerMissing, startTestServer } from "../support/nats_server.ts";

const binary = findNatsServer() ?? "";

/** What is refused says so: who had waited for a time limit would say that nobody answered. */
async function refusal(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    return (error as Error).message;
  }
  assert.fail("it was not refused");
}

Deno.test({
  name: "connectNats is refused at once with a wrong password, an unknown user and no login",
  ignore: natsServerMissing,
  async fn() {
    const broker = await startNatsServer({ binary });
    const { url: servers, user, password } = broker;
    try {
      for (
        const credentials of [
          { user, password: `${password}x` },
          { user: "stranger", password },
          { token: password },
          undefined,
        ]
      ) {
        const said = await refusal(connectNats({ servers, name: "test", credentials }));
        assert.match(
          said,
          /^Cannot log in: nats:.* refused the credentials; set LOCKSTEP_NATS_USER and/,
        );
        assert.ok(!said.includes(password), "the sentence holds the password");
      }
    } finally {
      await broker.stop();
    }
  },
});

Deno.test("connectNats says that credentials have expired", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const info = { server_id: "x", version: "2.15.1", proto: 1, max_payload: 1 << 20, headers: true };
  const served = (async () => {
    using connection = await listener.accept();
    const write = (text: string) => connection.write(new TextEncoder().encode(text));
    await write(`INFO ${JSON.stringify(info)}\r\n`);
    await connection.read(new Uint8Array(4096));
    await write("-ERR 'User Authentication Expired'\r\n");
  })();
  const servers = `nats://127.0.0.1:${port}`;
  const credentials = { user: "a", password: "b" };
  assert.match(
    await refusal(connectNats({ servers, name: "test", credentials })),
    /^Cannot log in: nats:.* says that the credentials have expired; set/,
  );
  await served;
  listener.close();
});

Deno.test({
  name:
    "connectNats speaks TLS, and refuses a certificate of another authority and a server without",
  ignore: natsServerMissing,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "lockstep-tls-" });
    try {
      if (!await certificates(folder)) return console.warn("Skipped: openssl is not there");
      const tls = { certificatePath: `${folder}/cert.pem`, keyPath: `${folder}/key.pem` };
      const broker = await startNatsServer({ binary, tls });
      const plain = await startNatsServer({ binary });
      try {
        assert.match(broker.url, /^tls:\/\//);
        const ca = await readCertificates(`${folder}/ca.pem`);
        const options = { servers: broker.url, name: "test", credentials: broker };
        const transport = await connectNats({ ...options, caCertificates: [ca] });
        transport.subscribe("a", (message) => message.respond(message.data));
        const long = new Uint8Array(700_000).map((_, index) => index);
        assert.deepEqual(await transport.request("a", long, { timeoutMs: 5000 }), long);
        await transport.close();
        assert.match(
          await refusal(connectNats(options)),
          /^Cannot connect to tls:.*certificate/,
        );
        assert.match(
          await refusal(
            connectNats({
              ...options,
              servers: plain.url.replace("nats:", "tls:"),
              credentials: plain,
            }),
          ),
          /^Cannot connect to tls:.* the server does not speak TLS/,
        );
      } finally {
        await broker.stop();
        await plain.stop();
      }
      await assert.rejects(readCertificates(`${folder}/key.pem`), /it holds no certificate in PEM/);
      await assert.rejects(readCertificates(`${folder}/none`), /^UsageError: Cannot read --tls-ca/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "connectNats shows a certificate to who asks, begins with the handshake, and checks names",
  ignore: natsServerMissing,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "lockstep-mtls-" });
    try {
      if (!await certificates(folder)) return console.warn("Skipped: openssl is not there");
      const [certificate, key, ca] = await Promise.all(
        ["cert.pem", "key.pem", "ca.pem"].map((name) => Deno.readTextFile(`${folder}/${name}`)),
      );
      const files = `cert_file: "${folder}/cert.pem", key_file: "${folder}/key.pem"`;
      const asks = `${files}, ca_file: "${folder}/ca.pem", verify: true`;
      const client = { certificate, key };
      const first = { handshakeFirst: true };
      const cases: readonly [tls: string, options: Partial<NatsOptions>, refusal?: RegExp][] = [
        [asks, { clientCertificate: client }],
        [asks, {}, /CertificateRequired; it asks for a certificate: give --tls-cert and --tls-key/],
        [files, { clientCertificate: client }],
        [`${files}, handshake_first: true`, first],
        // Found by itself, where no greeting comes.
        [`${files}, handshake_first: true`, {}],
        [`${asks}, handshake_first: true`, { clientCertificate: client, ...first }],
        [`${asks}, handshake_first: true`, { clientCertificate: client }],
        [asks, { clientCertificate: client, caCertificates: [] }, /[Cc]ertificate|self.signed/],
      ];
      for (const [tls, options, pattern] of cases) {
        const server = await startTestServer({ config: `tls { ${tls} }` });
        try {
          const given = { name: "test", caCertificates: [ca], ...options };
          const connect = (host: string) =>
            connectNats({ ...given, servers: `tls://${host}:${server.port}` });
          if (pattern) {
            await assert.rejects(connect("127.0.0.1"), { message: pattern }, tls);
            continue;
          }
          const transport = await connect("127.0.0.1");
          transport.subscribe("a", (message) => message.respond(message.data));
          const long = new Uint8Array(900_000).map((_, index) => index * 7);
          assert.deepEqual(await transport.request("a", long, { timeoutMs: 5000 }), long, tls);
          await transport.close();
          // The certificate is not for this name of the same host.
          await assert.rejects(connect("localhost"), { message: /localhost/ }, tls);
        } finally {
          await server.stop();
        }
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test({
  name: "connectNats takes the self-signed certificate that README.md makes, and no authority's",
  ignore: natsServerMissing,
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "lockstep-self-" });
    try {
      const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
      const command = /^openssl (req -x509 [^`]*)/m.exec(readme)![1].replaceAll("\\\n", " ");
      const words = command.trim().split(/\s+/).map((word) =>
        word.replace("DNS:broker.example,IP:10.0.0.5", "IP:127.0.0.1")
      );
      if (!await openssl(folder, words)) return console.warn("Skipped: openssl is not there");
      const end = words.slice(0, words.indexOf("basicConstraints=critical,CA:FALSE") - 1);
      const others = end.map((word) => word.replace(/^(key|cert)\.pem$/, "other-$1.pem"));
      assert.ok(await openssl(folder, others));
      const connect = async (prefix: string) => {
        const file = (name: string) => `${folder}/${prefix}${name}.pem`;
        const tls = { certificatePath: file("cert"), keyPath: file("key") };
        const broker = await startNatsServer({ binary, tls });
        try {
          const ca = await readCertificates(file("cert"));
          const options = { servers: broker.url, name: "test", credentials: broker };
          await (await connectNats({ ...options, caCertificates: [ca] })).close();
        } finally {
          await broker.stop();
        }
      };
      await connect("");
      await assert.rejects(connect("other-"), {
        message: /CaUsedAsEndEntity.*make it with basicConstraints=CA:FALSE$/,
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

const login = { user: "a", password: "b" };

Deno.test("checkBroker wants TLS and a login beyond this machine, unless --insecure is spelled out", () => {
  const check = (url: string, insecure = false, credentials?: typeof login) => () =>
    checkBroker({ url, run: "r", credentials }, insecure);
  for (const host of ["127.0.0.1", "127.8.9.10", "localhost", "[::1]", "LOCALHOST"]) {
    assert.doesNotThrow(check(`nats://${host}:4222`), host);
  }
  const others = ["10.0.0.5", "example.org", "0.0.0.0", "[fe80::1]", "localhost.example.org"];
  for (const host of [...others, "127.0.0.1.example.org"]) {
    assert.throws(check(`nats://${host}:4222`, false, login), /without TLS: .* or add --insecure/);
    assert.throws(check(host, false, login), /without TLS/);
    assert.throws(
      check(`tls://${host}:4222`),
      /without a login: give --nats-credentials FILE or --nats-token FILE, or set /,
    );
    assert.doesNotThrow(check(`tls://${host}:4222`, false, login));
    assert.doesNotThrow(check(`nats://${host}:4222`, true));
    assert.throws(() => checkOwnBroker(host, false, false), /Cannot listen on .* without TLS/);
    assert.doesNotThrow(() => checkOwnBroker(host, true, false));
    assert.doesNotThrow(() => checkOwnBroker(host, false, true));
  }
  assert.ok(isLoopback("127.0.0.1") && !isLoopback(""));
  for (const url of ["nats://", "nats://ann:s3cret@host:notaport", "tls://ann:s3cret@"]) {
    for (const insecure of [false, true]) {
      assert.throws(check(url, insecure), (error: Error) => {
        assert.equal(
          `${error}`,
          "UsageError: Cannot read the broker's address: expected nats://HOST:PORT, or several " +
            "with commas between",
        );
        return true;
      });
    }
  }
});

Deno.test("checkBroker takes no login from an address, which other processes see, and repeats none", () => {
  const logins = ["ann:s3cret@", "s3cret@", ":s3cret@", "ann%40x:s3%40cret@"];
  const schemes = ["nats://", "tls://", ""];
  const hosts = ["127.0.0.1:4222", "example.org"];
  for (const scheme of schemes) {
    for (const login of logins) {
      for (const host of hosts) {
        const connection = { url: `${scheme}${login}${host}`, run: "r" };
        for (const insecure of [false, true]) {
          assert.throws(() => checkBroker(connection, insecure), (error: Error) => {
            assert.equal(error.name, "UsageError");
            assert.equal(
              error.message,
              `Cannot take a login from the address of the broker at ${
                host.split(":")[0]
              }: other ` +
                "processes see it on a command line; leave it out there, and give " +
                "--nats-credentials FILE or --nats-token FILE, or set LOCKSTEP_NATS_USER and " +
                "LOCKSTEP_NATS_PASSWORD, or LOCKSTEP_NATS_TOKEN",
            );
            return true;
          });
        }
      }
    }
  }
});

Deno.test("coordinator and worker refuse a login in --nats before anything is written or reached", async () => {
  const folder = await Deno.makeTempDir({ prefix: "lockstep-login-" });
  const nats = ["--nats", "nats://ann:s3cret@127.0.0.1:1", "--run", "r"];
  const commands = {
    "coordinator_by_hand.ts": [...nats, "--engine", "wasm", "--out", "run"],
    "coordinator.ts": [...nats, "--engine", "wasm", "--out", "run", "--announce"],
    "worker.ts": nats,
  };
  try {
    for (const [script, args] of Object.entries(commands)) {
      const path = new URL(`../../launch/${script}`, import.meta.url).pathname;
      const config = new URL("../../deno.json", import.meta.url).pathname;
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--config", config, path, ...args],
        cwd: folder,
        env: { NO_COLOR: "1" },
      }).output();
      const said = new TextDecoder().decode(stderr);
      assert.equal(code, 2, said);
      assert.match(
        said,
        /^Wrong usage: Cannot take a login from the address of the broker at 127/m,
      );
      assert.doesNotMatch(said, /s3cret|ann:/);
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
