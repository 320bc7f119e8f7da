/** The real data beside the repository; tests that need it are skipped where it is absent. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = Deno.env.get("DATA_DIR") ??
  fileURLToPath(new URL("../../../shared/data", import.meta.url));
const absent = !existsSync(folder);
if (absent) console.warn(`Skipping tests on real data: no folder ${folder}, set DATA_DIR`);

export const shared = {
  test: { ignore: absent } satisfies Omit<Deno.TestDefinition, "name" | "fn">,
  path: (name: string) => `${folder}/${name}`,
};
