import assert from "node:assert/strict";
import { BrokerAddressError } from "../../net/transport.ts";
import { addressText, brokerList, BrokerPool } from "../../net/broker_pool.ts";

function order(pool: BrokerPool): string[] {
  return pool.addresses.map(addressText);
}

Deno.test("BrokerPool tries what was lost last", () => {
  const pool = new BrokerPool(brokerList("nats://a:1, b ,tls://[::1]:2,"));
  assert.deepEqual(order(pool), ["nats://a:1", "nats://b:4222", "tls://[::1]:2"]);
  const [a, b] = pool.addresses;
  pool.demote(a);
  pool.demote(a);
  assert.deepEqual(order(pool), ["nats://b:4222", "tls://[::1]:2", "nats://a:1"]);
  pool.demote(b);
  assert.deepEqual(order(pool), ["tls://[::1]:2", "nats://a:1", "nats://b:4222"]);
  assert.equal(`${new BrokerPool(["a", "b:1"])}`, "nats://a:4222, nats://b:1");
});

Deno.test("BrokerPool takes what a cluster tells, once, and forgets what it tells no more", () => {
  const pool = new BrokerPool(["tls://broker.example:4222"]);
  const [named] = pool.addresses;
  const told = ["10.0.0.1:4222", "[fe80::1]:4223", "other.example:1", "broker.example:4222"];
  for (let times = 0; times < 2; times++) pool.learn([...told, "nonsense", "a:b", ":1"], named);
  assert.deepEqual(
    pool.addresses.map(({ hostname, port, tls, tlsName, isNamed }) => [
      ...[hostname, port, tls, tlsName, isNamed],
    ]),
    [
      ["broker.example", 4222, true, "broker.example", true],
      // No certificate is for an address that nobody named: it is for the name that was.
      ["10.0.0.1", 4222, true, "broker.example", false],
      ["fe80::1", 4223, true, "broker.example", false],
      ["other.example", 1, true, "other.example", false],
    ],
  );
  pool.demote(pool.addresses[1]);
  pool.learn(["10.0.0.1:4222", "10.0.0.2:4222"], named);
  assert.deepEqual(order(pool), [
    "tls://broker.example:4222",
    "tls://10.0.0.1:4222",
    "tls://10.0.0.2:4222",
  ]);
  assert.equal(`${pool}`, "tls://broker.example:4222");
});

Deno.test("BrokerPool goes to no server that it may not, and remembers a bounded number", () => {
  const pool = new BrokerPool(["127.0.0.1:1"], (hostname) => hostname.startsWith("127."));
  const [named] = pool.addresses;
  pool.learn(["10.0.0.1:1", "127.0.0.2:1"], named);
  assert.deepEqual(order(pool), ["nats://127.0.0.1:1", "nats://127.0.0.2:1"]);
  pool.learn(Array.from({ length: 5000 }, (_, index) => `127.0.0.9:${index + 1}`), named);
  assert.equal(pool.addresses.length, 65);
});

Deno.test("BrokerPool tells what is no address apart from a broker that is away, without the login", () => {
  for (const server of ["nats://ada:secret@[::1", "nats://a:99999", "http://a:1", "a b"]) {
    assert.throws(() => new BrokerPool([server]), (error) => {
      assert.ok(error instanceof BrokerAddressError, `${server}: ${error}`);
      assert.match(error.message, /: expected nats:\/\/host:port$/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
});
