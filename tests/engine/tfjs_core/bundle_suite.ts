/**
 * TensorFlow.js ships its own tests in the npm package of tfjs-core, as ES modules that only a bundler
 * can load. This makes one module of them.
 */
import { build, type Plugin } from "esbuild";
import { createRequire, isBuiltin } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CORE_FOLDER = dirname(fileURLToPath(import.meta.resolve("@tensorflow/tfjs-core")));

const ENTRY = `
  import { setTestEnvs } from "./jasmine_util";
  import "./public/chained_ops/register_all_chained_ops";
  import "./register_all_gradients";
  setTestEnvs([
    { name: "test-tensorflow", backendName: "tensorflow", flags: {}, isDataSync: true },
  ]);
  require("./tests");
`;

/** Finds packages as the importing package sees them, wherever Deno keeps them. */
const npmPackages: Plugin = {
  name: "npm-packages",
  setup({ onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ path, importer }) => {
      if (isBuiltin(path)) return { path, external: true };
      const from = importer.startsWith("/") ? importer : join(CORE_FOLDER, "index.js");
      try {
        return { path: createRequire(from).resolve(path) };
      } catch {
        return { path, external: true };
      }
    });
  },
};

/** Bundles the suite into a file; importing it defines its specs in Jasmine's globals. */
export async function bundleSuite(outfile: string): Promise<void> {
  await build({
    stdin: { contents: ENTRY, resolveDir: CORE_FOLDER, sourcefile: join(CORE_FOLDER, "entry.js") },
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    // The package says that its tests have no side effects, so most would be shaken off.
    ignoreAnnotations: true,
    logLevel: "error",
    plugins: [npmPackages],
    banner: {
      js: `import { createRequire } from "node:module";
        const require = createRequire(${JSON.stringify(join(CORE_FOLDER, "index.js"))});`,
    },
  });
}
