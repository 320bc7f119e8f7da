/** Runs a test in a new folder that holds `files`, and removes it. */
export async function withFolder(
  files: Readonly<Record<string, Uint8Array<ArrayBuffer> | string>>,
  test: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "lockstep-datasets-" });
  try {
    for (const [name, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(`${folder}/${name}`, bytes);
    }
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

export async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A binary PGM with a comment, as FMI writes them. */
export function pgm(
  columns: number,
  rows: number,
  code: (row: number, column: number) => number,
): Uint8Array<ArrayBuffer> {
  const comments = "# obstime 0 9\n# param CorrectedReflectivity";
  const header = new TextEncoder().encode(`P5\n${comments}\n${columns} ${rows}\n255\n`);
  const bytes = new Uint8Array(header.length + rows * columns);
  bytes.set(header);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      bytes[header.length + row * columns + column] = code(row, column);
    }
  }
  return bytes;
}
