/** Gzip files that unpack to far more than any frame: unpacking stops at the limit, not after it. */
import assert from "node:assert/strict";
import { constants, deflateRawSync } from "node:zlib";
import { unpackedBytesMax } from "../../datasets/files.ts";
import { withFolder } from "./temporary_folder.ts";

/** 3 GiB of zeros in 3 MB, cut off at their end, where nobody may come. */
function bomb(): Uint8Array<ArrayBuffer> {
  const block = deflateRawSync(new Uint8Array(64 * 1024 * 1024), {
    finishFlush: constants.Z_FULL_FLUSH,
  });
  const header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
  const bytes = new Uint8Array(header.length + 48 * block.length);
  bytes.set(header);
  for (let i = 0; i < 48; i++) bytes.set(block, header.length + i * block.length);
  return bytes;
}

/** Tells the reason of the failure, and the most memory that the process had. */
const reader = `
  import { readBytes } from ${JSON.stringify(import.meta.resolve("../../datasets/files.ts"))};
  const reason = await readBytes(Deno.args[0]).then(() => "read", (error) => error.message);
  const [, kilobytes] = /VmHWM:\\s*(\\d+)/.exec(Deno.readTextFileSync("/proc/self/status"));
  console.log(JSON.stringify({ reason, bytes: kilobytes * 1024 }));
`;

Deno.test("unpacking a .pgm.gz of 3 GiB stops at the limit", {
  ignore: Deno.build.os !== "linux",
}, async () => {
  await withFolder({ "a.pgm.gz": bomb(), "read.ts": reader }, async (folder) => {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `${folder}/read.ts`, `${folder}/a.pgm.gz`],
    }).output();
    assert.ok(stdout.length > 0, new TextDecoder().decode(stderr));
    const { reason, bytes } = JSON.parse(new TextDecoder().decode(stdout));
    assert.match(reason, /a\.pgm\.gz": it holds more than 268435456 bytes/);
    assert.ok(bytes < 2.5 * unpackedBytesMax, `${bytes} bytes of memory`);
  });
});

Deno.test("a file that is longer than any frame is not read, nor one that is no file", async () => {
  await withFolder({ "a.pgm": "P5" }, async (folder) => {
    await Deno.truncate(`${folder}/a.pgm`, 2 * unpackedBytesMax);
    const { readBytes } = await import("../../datasets/files.ts");
    await assert.rejects(readBytes(`${folder}/a.pgm`), /it has 536870912 bytes, more than/);
    await assert.rejects(readBytes(folder), /it is no plain file/);
  });
});
