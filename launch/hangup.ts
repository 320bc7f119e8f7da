/**
 * Whether this process was started so that the end of its terminal is not to end it, as `nohup` does.
 * Whoever says so has SIGHUP ignored before the program begins; once anybody listens to it, that is
 * forgotten, so it is asked first.
 */

/** In the mask of "SigIgn", whose bit 0 is signal 1. */
const hangupBit = 1n;
/** Deno shows its own status to nobody but who may do everything; a child inherits what is ignored. */
const probes: readonly (readonly [string, readonly string[]])[] = [
  ["cat", ["/proc/self/status"]],
  ["python3", ["-c", "print(open('/proc/self/status').read())"]],
];

/** To be asked before anybody listens to SIGHUP. */
export function isHangupIgnored(): boolean {
  // `deno task` listens by itself, so its child no longer inherits it: the shell's word is left.
  if (/(^|\/)nohup$/.test(shellWord() ?? "")) return true;
  const status = readStatus();
  const mask = status?.match(/^SigIgn:\s*([0-9a-f]+)$/m)?.[1];
  return mask !== undefined && (BigInt(`0x${mask}`) & hangupBit) !== 0n;
}

/** What the shell started this, or the command around this, as. */
function shellWord(): string | undefined {
  try {
    return Deno.env.get("_");
  } catch {
    return undefined;
  }
}

function readStatus(): string | undefined {
  try {
    return Deno.readTextFileSync("/proc/self/status");
  } catch {
    // Not Linux, or not allowed.
  }
  for (const [program, args] of probes) {
    try {
      const { stdout } = new Deno.Command(program, { args: [...args], stderr: "null" })
        .outputSync();
      const text = new TextDecoder().decode(stdout);
      if (text !== "") return text;
    } catch {
      // It is not there, or not to be run.
    }
  }
  return undefined;
}
