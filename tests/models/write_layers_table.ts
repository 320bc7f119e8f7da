/** Writes `docs/layers.md` anew: deno run -A tests/models/write_layers_table.ts */
import { layersTable } from "./layers_table.ts";

await Deno.writeTextFile(new URL("../../docs/layers.md", import.meta.url), layersTable());
