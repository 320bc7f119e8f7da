/** How far a run has come, by what it has written: for whoever starts its processes again. */

/** Lines of some hundred bytes each; the newest step is among the last. */
const tailBytesMax = 1 << 16;

/** The newest step in the run's log; 0 where there is none. */
export function newestStep(out: string): number {
  try {
    using file = Deno.openSync(`${out}/metrics.jsonl`);
    const { size } = file.statSync();
    file.seekSync(Math.max(0, size - tailBytesMax), Deno.SeekMode.Start);
    const bytes = new Uint8Array(Math.min(size, tailBytesMax));
    const count = file.readSync(bytes) ?? 0;
    const text = new TextDecoder().decode(bytes.subarray(0, count));
    const steps = Array.from(text.matchAll(/"step":(\d+)/g), ([, step]) => Number(step));
    return Math.max(0, ...steps);
  } catch {
    return 0;
  }
}
