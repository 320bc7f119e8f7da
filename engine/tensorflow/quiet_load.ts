/**
 * Quiet loading. TensorFlow heeds `TF_CPP_MIN_LOG_LEVEL`, but not for what it logs while the loader
 * still runs its initializers: a greeting about oneDNN that would stand above every run. So standard
 * error goes to memory meanwhile, and all but information and warnings is passed on afterwards.
 */
const STDERR = 2;
const SEEK_END = 2;
/** Abseil's "I0000 …" and "W0000 …", and the notice that it writes before its first message. */
const CHATTER = /^([IW]\d{4} |WARNING: All log messages before absl)/;

/** Runs `load`, which must not wait; on other systems than Linux with glibc it may talk. */
export function loadQuietly<T>(load: () => T): T {
  // Silence from warnings on is the engine's default; who asks for more gets it as it comes.
  if (Number(Deno.env.get("TF_CPP_MIN_LOG_LEVEL")) < 2) return load();
  const libc = openLibc();
  if (libc === undefined) return load();
  const { dup, dup2, close, memfd_create, lseek, pread } = libc.symbols;
  const memory = memfd_create(new TextEncoder().encode("stderr\0"), 0);
  const saved = dup(STDERR);
  if (memory < 0 || saved < 0) return load();
  dup2(memory, STDERR);
  try {
    return load();
  } finally {
    dup2(saved, STDERR);
    close(saved);
    // Not through /proc, which a process with few permissions may not read.
    const bytes = new Uint8Array(Number(lseek(memory, 0n, SEEK_END)));
    pread(memory, bytes, BigInt(bytes.length), 0n);
    close(memory);
    libc.close();
    const remaining = new TextDecoder().decode(bytes).split("\n").filter((line) =>
      line !== "" && !CHATTER.test(line)
    );
    if (remaining.length > 0) console.error(remaining.join("\n"));
  }
}

function openLibc() {
  try {
    return Deno.dlopen("libc.so.6", {
      dup: { parameters: ["i32"], result: "i32" }, // oldfd
      dup2: { parameters: ["i32", "i32"], result: "i32" }, // oldfd, newfd
      close: { parameters: ["i32"], result: "i32" }, // fd
      lseek: { parameters: ["i32", "i64", "i32"], result: "i64" }, // fd, offset, whence
      pread: { parameters: ["i32", "buffer", "usize", "i64"], result: "isize" }, // fd, buf, count, offset
      memfd_create: { parameters: ["buffer", "u32"], result: "i32" }, // name, flags
    });
  } catch {
    return undefined;
  }
}
