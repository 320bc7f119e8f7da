/**
 * A login kept in a file as NATS has them: a `.creds` file, which holds a JWT and the seed of the
 * user's nkey, or a file with the bare seed. It is read anew for each connection, so that one which
 * is about to expire can be replaced while a run goes on.
 */
import { type NkeyCredentials, publicNkey } from "../net/nats_transport.ts";
import { UsageError } from "./flags.ts";
import { shellWord } from "./shell_word.ts";

export const credentialsFlag = {
  kind: "text",
  value: "FILE",
  help: "login for --nats: a .creds file, or the seed of an nkey; for its owner's eyes only (0600)",
} as const;

export const tokenFlag = {
  kind: "text",
  value: "FILE",
  help: "file with the token that --nats asks for, for its owner's eyes only (0600)",
} as const;

/** A JWT with many permissions still is short of this. */
const fileBytesMax = 64 * 1024;

/**
 * @throws {UsageError} where the file is missing, others may read it, or it holds no login; what it
 * holds is never in the sentence
 */
export async function readCredentialsFile(path: string): Promise<NkeyCredentials> {
  const text = await readPrivateFile(path, "--nats-credentials");
  const jwt = between(text, "NATS USER JWT");
  const nkeySeed = jwt === undefined
    ? text.split("\n").map((line) => line.trim()).find((line) => line !== "" && line[0] !== "#")
    : between(text, "USER NKEY SEED");
  try {
    publicNkey(nkeySeed ?? "");
  } catch {
    throw new UsageError(
      `Cannot use --nats-credentials ${path}: it holds no seed of a user's nkey; give a .creds file ` +
        "or one with the seed alone (SU…)",
    );
  }
  return { nkeySeed: nkeySeed!, ...(jwt === undefined ? {} : { jwt }) };
}

/**
 * A token, which is the one line that its file holds.
 * @throws {UsageError} as `readCredentialsFile`
 */
export async function readTokenFile(path: string): Promise<{ token: string }> {
  const token = (await readPrivateFile(path, "--nats-token")).trim();
  if (/^[^\s\p{Cc}]+$/u.test(token)) return { token };
  throw new UsageError(
    `Cannot use --nats-token ${path}: it must hold the token alone, on one line and without spaces`,
  );
}

async function readPrivateFile(path: string, flag: string): Promise<string> {
  const fail = (why: string, cause?: unknown) =>
    new UsageError(`Cannot use ${flag} ${path}: ${why}`, { cause });
  let text: string;
  let mode: number | null;
  let size: number;
  try {
    using file = await Deno.open(path);
    ({ mode, size } = await file.stat());
    const bytes = new Uint8Array(fileBytesMax);
    text = new TextDecoder().decode(bytes.subarray(0, await file.read(bytes) ?? 0));
  } catch (cause) {
    throw fail(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (mode !== null && Deno.build.os !== "windows" && (mode & 0o077) !== 0) {
    const found = (mode & 0o777).toString(8).padStart(3, "0");
    throw fail(`others may read it (mode ${found}); run: chmod 600 ${shellWord(path)}`);
  }
  if (size > fileBytesMax) throw fail(`${size} bytes are no login`);
  return text;
}

/** What stands between the lines that a `.creds` file has around each part. */
function between(text: string, part: string): string | undefined {
  return new RegExp(`-{3,}BEGIN ${part}-{3,}\\s+(\\S+)\\s+-{3,}END ${part}-{3,}`).exec(text)?.[1];
}
