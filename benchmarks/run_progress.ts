/** How far a run is, as its folder tells. */

/** 0 before the first step. */
export async function lastStep(out: string): Promise<number> {
  const text = await Deno.readTextFile(`${out}/metrics.jsonl`).catch(() => "");
  const lines = text.trimEnd().split("\n");
  return Number(/"step":(\d+)/.exec(lines.at(-1) ?? "")?.[1] ?? 0);
}
