/**
 * Compares pictures drawn at random with what Pillow makes of them, and PNG files also damaged. Needs a
 * Python with NumPy and Pillow. Run: deno run -A tests/datasets/compare_with_pillow.ts [COUNT] [SEED]
 */
import { decodePicture } from "../../datasets/picture_file.ts";
import { decodePng } from "../../datasets/png_pixels.ts";

const [count = "1000", seed = ""] = Deno.args;
const found = { equal: 0, other: 0, damaged: 0, refused: 0, harmless: 0, silent: 0 };

/** What is printed after the seed tells each damage. */
let state = 1;
const draw = (below: number) => (state = (state * 48271) % 0x7fffffff) % below;

function compare(name: string, bytes: Uint8Array, raw: Uint8Array): void {
  const line = raw.indexOf(10);
  const [rows, columns, depth] = JSON.parse(new TextDecoder().decode(raw.subarray(0, line)));
  const wanted = raw.subarray(line + 1);
  const most = 2 ** Math.max(8, depth) - 1;
  const levelAt = (i: number) =>
    depth === 16 ? (wanted[2 * i] << 8) | wanted[2 * i + 1] : wanted[i];
  const values = decodePicture(bytes, name, [rows, columns], 3);
  const isEqual = values.length === rows * columns * 3 &&
    values.every((value, i) => Math.round(value * most) === levelAt(i));
  if (isEqual) found.equal++;
  else found.other++, console.error(`${name} differs from Pillow`);
}

function damage(name: string, bytes: Uint8Array): void {
  const sound = decodePng(bytes);
  const broken = bytes.slice();
  const at = draw(bytes.length);
  for (let i = at; i < Math.min(bytes.length, at + 1 + draw(8)); i++) broken[i] = draw(256);
  found.damaged++;
  try {
    const { samples } = decodePng(draw(4) === 0 ? bytes.subarray(0, at) : broken);
    // Behind the end of the picture, or the same bytes again.
    if (samples.every((value, i) => value === sound.samples[i])) found.harmless++;
    else found.silent++, console.error(`${name} damaged at ${at} has other pixels`);
  } catch {
    found.refused++;
  }
}

for (const maker of ["make_png_kinds.py", "make_jpegs.py"]) {
  const script = new URL(`../fixtures/datasets/${maker}`, import.meta.url).pathname;
  const folder = await Deno.makeTempDir();
  try {
    const { success } = await new Deno.Command(Deno.env.get("PY") ?? "python3", {
      args: [script, "--random", count, folder, ...(seed ? [seed] : [])],
      stdout: "inherit",
      stderr: "inherit",
    }).output();
    if (!success) Deno.exit(1);
    for (const { name } of Deno.readDirSync(folder)) {
      if (name.endsWith(".raw")) continue;
      const bytes = await Deno.readFile(`${folder}/${name}`);
      compare(name, bytes, await Deno.readFile(`${folder}/${name.slice(0, -4)}.raw`));
      if (name.endsWith(".png")) damage(name, bytes);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
console.log(found);
if (found.other + found.silent > 0) Deno.exit(1);
