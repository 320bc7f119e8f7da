/**
 * How far processes are that compute one thing together: as far as the slowest of them, for which all
 * wait. Each tells it in lines among what it says.
 */

export type OnProgress = (done: number, total: number) => void;

/** One for each process, all of which have the same total. */
export function progressOfSlowest(processes: number, tell: OnProgress): OnProgress[] {
  const steps = new Array<number>(processes).fill(0);
  let told = 0;
  return steps.map((_, rank) => (done, total) => {
    steps[rank] = done;
    const least = Math.min(...steps);
    if (least === told) return;
    told = least;
    tell(least, total);
  });
}

export function progressLine(done: number, total: number): string {
  return `progress ${done}/${total}\n`;
}

/** Of what a process said that is not its progress: enough for its last sentence. */
const tailCharactersMax = 16_384;

/**
 * Reads what a process says as it says it.
 * @returns the end of what is not its progress
 */
export async function readProgress(
  said: ReadableStream<Uint8Array<ArrayBuffer>>,
  onProgress: OnProgress,
): Promise<string> {
  let rest = "";
  let line = "";
  const hear = (text: string) => {
    const [, done, total] = text.match(/^progress (\d+)\/(\d+)\n$/) ?? [];
    if (done !== undefined) onProgress(Number(done), Number(total));
    else rest = (rest + text).slice(-tailCharactersMax);
  };
  for await (const part of said.pipeThrough(new TextDecoderStream())) {
    const lines = (line + part).split(/(?<=\n)/);
    line = lines.at(-1)!.endsWith("\n") ? "" : lines.pop()!.slice(-tailCharactersMax);
    lines.forEach(hear);
  }
  hear(line);
  return rest;
}
