/** Reads back what an animation shows: the pixels and the duration of each frame of a GIF (GIF89a). */
export interface GifFrame {
  readonly durationMs: number;
  /** RGB as one number, row by row. */
  readonly colours: number[];
}

export interface Gif {
  readonly width: number;
  readonly height: number;
  readonly repeats: boolean;
  readonly frames: readonly GifFrame[];
}

/** Only what one palette for all frames without interlacing or transparency needs. */
export function readGif(bytes: Uint8Array): Gif {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [width, height] = [view.getUint16(6, true), view.getUint16(8, true)];
  const paletteLength = 2 << (bytes[10] & 7);
  const palette = Array.from({ length: paletteLength }, (_, i) => {
    const at = 13 + 3 * i;
    return bytes[at] << 16 | bytes[at + 1] << 8 | bytes[at + 2];
  });
  let at = 13 + 3 * paletteLength;
  const blocks = () => {
    const data: number[] = [];
    while (bytes[at] !== 0) {
      data.push(...bytes.subarray(at + 1, at + 1 + bytes[at]));
      at += bytes[at] + 1;
    }
    at++;
    return data;
  };
  const frames: GifFrame[] = [];
  let [durationMs, repeats] = [0, false];
  while (bytes[at] !== 0x3b) {
    if (bytes[at] === 0x21) {
      const kind = bytes[at + 1];
      at += 2;
      const data = blocks();
      if (kind === 0xf9) durationMs = 10 * (data[1] | data[2] << 8);
      if (kind === 0xff) repeats = String.fromCharCode(...data.slice(0, 8)) === "NETSCAPE";
    } else if (bytes[at] === 0x2c) {
      if (bytes[at + 9] !== 0) throw new Error("a palette of its own, or interlaced");
      const codeSize = bytes[at + 10];
      at += 11;
      const colours = decompress(codeSize, blocks()).map((index) => palette[index]);
      if (colours.length !== width * height) throw new Error(`${colours.length} pixels`);
      frames.push({ durationMs, colours });
    } else throw new Error(`block ${bytes[at]} at ${at}`);
  }
  return { width, height, repeats, frames };
}

/** LZW with codes that grow, from the lowest bit on. */
function decompress(codeSize: number, data: readonly number[]): number[] {
  const clear = 1 << codeSize;
  const initial = () => Array.from({ length: clear + 2 }, (_, i) => i < clear ? [i] : []);
  let table = initial();
  let bits = codeSize + 1;
  let previous: number[] = [];
  const output: number[] = [];
  for (let position = 0; position + bits <= data.length * 8;) {
    let code = 0;
    for (let bit = 0; bit < bits; bit++, position++) {
      code |= (data[position >> 3] >> (position & 7) & 1) << bit;
    }
    if (code === clear + 1) break;
    if (code === clear) {
      table = initial();
      bits = codeSize + 1;
      previous = [];
      continue;
    }
    const entry = table[code] ?? [...previous, previous[0]];
    output.push(...entry);
    if (previous.length > 0 && table.length < 4096) table.push([...previous, entry[0]]);
    if (table.length === 1 << bits && bits < 12) bits++;
    previous = entry;
  }
  return output;
}
