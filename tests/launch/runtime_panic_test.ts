import assert from "node:assert/strict";
import { panicReason } from "../../launch/runtime_panic.ts";

/** As Deno 2.9.6 writes it under `ulimit -n 20`. */
function panic(place: string, reason: string): string {
  return `Warning: before

============================================================
Deno has panicked. This is a bug in Deno. Please report this
at https://github.com/denoland/deno/issues/new.
If you can reliably reproduce this panic, include the
reproduction steps and the stack trace URL below in your report.

Platform: linux x86_64
Version: 2.9.6
Args: ["deno", "run", "-A", "main.ts"]

View stack trace at:
https://panic.deno.com/v2.9.6/x86_64-unknown-linux-gnu/

thread 'main' (28837) panicked at ${place}:
${reason}
stack backtrace:
note: Some details are omitted, run with \`RUST_BACKTRACE=full\` for a verbose backtrace.
`;
}

Deno.test("panicReason says what a panic of the runtime was about, and what to do", () => {
  const unwrap = (message: string) =>
    `called \`Result::unwrap()\` on an \`Err\` value: Os { code: 1, kind: X, message: "${message}" }`;
  const reasons: readonly [line: string, said: string][] = [
    [unwrap("Too many open files"), "Too many open files; raise ulimit -n"],
    [unwrap("Cannot allocate memory"), "Cannot allocate memory; free memory or raise ulimit -v"],
    [
      unwrap("Resource temporarily unavailable"),
      "Resource temporarily unavailable; raise ulimit -u",
    ],
    ["index out of bounds", "index out of bounds"],
  ];
  for (const [line, said] of reasons) {
    const found = panicReason(panic("ext/io/lib.rs:337:47", line));
    assert.equal(found, `the runtime failed: ${said}`);
  }
  assert.equal(panicReason("Failed: something else"), undefined);
  assert.equal(panicReason(""), undefined);
});
