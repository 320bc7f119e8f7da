/**
 * Compares pictures drawn at random with what Pillow makes of them, whole and damaged. Needs a Python
 * with NumPy and Pillow. Run: deno run -A tests/datasets/compare_with_pillow.ts [COUNT] [SEED]
 */
import { decodePicture } from "../../datasets/picture_file.ts";
import { decodePng } from "../../datasets/png_pixels.ts";

const [count = "1000", seed = ""] = Deno.args;
const script = new URL("../fixtures/datasets/make_png_kinds.py", import.meta.url).pathname;
const folder = await Deno.makeTempDir();
try {
  const { success } = await new Deno.Command(Deno.env.get("PY") ?? "python3", {
    args: [script, "--random", count, folder, ...(seed ? [seed] : [])],
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) Deno.exit(1);
  let [equal, other, damaged, refused, harmless, silent] = [0, 0, 0, 0, 0, 0];
  // A number for each file, so that the damage is told by the seed that is printed.
  let state = 1;
  const draw = (below: number) => (state = (state * 48271) % 0x7fffffff) % below;
  for (const { name } of [...Deno.readDirSync(folder)].filter(({ name }) => /png$/.test(name))) {
    const bytes = await Deno.readFile(`${folder}/${name}`);
    const raw = await Deno.readFile(`${folder}/${name.replace("png", "raw")}`);
    const line = raw.indexOf(10);
    const [rows, columns, depth] = JSON.parse(new TextDecoder().decode(raw.subarray(0, line)));
    const wanted = raw.subarray(line + 1);
    const most = 2 ** Math.max(8, depth) - 1;
    const levelAt = (i: number) =>
      depth === 16 ? (wanted[2 * i] << 8) | wanted[2 * i + 1] : wanted[i];
    const found = decodePicture(bytes, name, [rows, columns], 3);
    const isEqual = found.length === rows * columns * 3 &&
      found.every((value, i) => Math.round(value * most) === levelAt(i));
    if (isEqual) equal++;
    else other++, console.error(`${name} differs from Pillow`);
    const sound = decodePng(bytes);
    const broken = bytes.slice();
    const at = draw(bytes.length);
    for (let i = at; i < Math.min(bytes.length, at + 1 + draw(8)); i++) broken[i] = draw(256);
    damaged++;
    try {
      const { samples } = decodePng(draw(4) === 0 ? bytes.subarray(0, at) : broken);
      // Behind the end of the picture, or the same bytes again.
      if (samples.every((value, i) => value === sound.samples[i])) harmless++;
      else silent++, console.error(`${name} damaged at ${at} has other pixels`);
    } catch {
      refused++;
    }
  }
  console.log({ equal, other, damaged, refused, harmless, silent });
  if (other + silent > 0) Deno.exit(1);
} finally {
  await Deno.remove(folder, { recursive: true });
}
