/**
 * Which tests a change of a file is most likely to fail: those that reach it through their imports, the
 * nearest first; those of the same name and folder before all others.
 */
import { basename, dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";

export interface Chosen {
  /** Path below the project's folder. */
  readonly test: string;
  /** Imports between the test and the file. */
  readonly distance: number;
}

/** Files by the files that they import. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

/** What all tests below `root` import, as Deno resolves it. */
export async function importGraph(root: string, tests: readonly string[]): Promise<ImportGraph> {
  const all = await Deno.makeTempFile({ dir: root, prefix: ".all_tests_", suffix: ".ts" });
  try {
    const lines = tests.map((test) => `import ${JSON.stringify(`./${test}`)};`);
    await Deno.writeTextFile(all, lines.join("\n"));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--config", `${root}/deno.json`, all],
      cwd: root,
    }).output();
    if (!success) throw new Error(`Cannot read the imports: ${new TextDecoder().decode(stderr)}`);
    return graphOf(root, JSON.parse(new TextDecoder().decode(stdout)));
  } finally {
    await Deno.remove(all);
  }
}

interface ModuleInfo {
  readonly specifier: string;
  readonly dependencies?: readonly { readonly code?: { readonly specifier?: string } }[];
}

function graphOf(root: string, { modules }: { modules: readonly ModuleInfo[] }): ImportGraph {
  const inside = (specifier = "") =>
    specifier.startsWith("file://") ? [relative(root, fileURLToPath(specifier))] : [];
  return new Map(
    modules.flatMap(({ specifier, dependencies = [] }) =>
      inside(specifier).map((file) =>
        [file, dependencies.flatMap(({ code }) => inside(code?.specifier))] as const
      )
    ),
  );
}

/** The tests that reach `file`, the likeliest first. */
export function chooseTests(file: string, tests: readonly string[], graph: ImportGraph): Chosen[] {
  const reached = tests.flatMap((test) => {
    const distance = distanceTo(file, test, graph);
    return distance === undefined ? [] : [{ test, distance }];
  });
  return reached.toSorted((a, b) => rank(a, file) - rank(b, file));
}

function distanceTo(file: string, test: string, graph: ImportGraph): number | undefined {
  const distances = new Map([[test, 0]]);
  // A map goes on with what is added while it is walked.
  for (const [each, distance] of distances) {
    if (each === file) return distance;
    for (const next of graph.get(each) ?? []) {
      if (!distances.has(next)) distances.set(next, distance + 1);
    }
  }
}

function rank({ test, distance }: Chosen, file: string): number {
  const name = basename(file, ".ts");
  const isNamesake = basename(test) === `${name}_test.ts`;
  const isOfName = basename(test).startsWith(`${name}_`);
  const isNeighbour = `${dirname(test)}/`.startsWith(`tests/${dirname(file)}/`);
  return distance + (isNamesake ? 0 : 100) + (isOfName ? 0 : 100) + (isNeighbour ? 0 : 10);
}
