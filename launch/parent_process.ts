/**
 * Ties a process to the one that started it: standard input is a pipe that nobody writes to, or on
 * which the parent sends lines, and its end means that the parent is gone, however it went.
 */
import { exitCodes } from "./exit_codes.ts";

/** @param onLine called with each line that the parent sends */
export function endWithParent(onLine: (line: string) => void = () => {}): void {
  void (async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const bytes of Deno.stdin.readable) {
      text += decoder.decode(bytes, { stream: true });
      const lines = text.split("\n");
      text = lines.pop()!;
      lines.forEach(onLine);
    }
    Deno.exit(exitCodes.failed);
  })();
}
