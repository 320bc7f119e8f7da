/**
 * Whether a mutant is a program: the compiler, kept in memory, looks at the one file that has changed. What
 * it says of a file as it is does not count: it knows neither Deno's own names nor npm packages here.
 */
import { join } from "node:path";
import { ts } from "./typescript.ts";

export interface TypeCheck {
  /** Whether the file would be as sound with this text as it is. */
  isProgram(file: string, text: string): boolean;
}

/** @param files below `root` */
export function createTypeCheck(root: string, files: readonly string[]): TypeCheck {
  const changed = new Map<string, { readonly text: string; readonly version: number }>();
  let version = 0;
  const read = (path: string) => changed.get(path)?.text ?? ts.sys.readFile(path);
  const host: ts.LanguageServiceHost = {
    getCompilationSettings: () => ({
      strict: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      target: ts.ScriptTarget.ESNext,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      types: [],
    }),
    getScriptFileNames: () => files.map((file) => join(root, file)),
    getScriptVersion: (path) => `${changed.get(path)?.version ?? 0}`,
    getScriptSnapshot(path) {
      const text = read(path);
      return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
    },
    getCurrentDirectory: () => root,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    fileExists: ts.sys.fileExists,
    readFile: read,
  };
  const service = ts.createLanguageService(host);
  const faults = (path: string) =>
    service.getSyntacticDiagnostics(path).length + service.getSemanticDiagnostics(path).length;
  return {
    isProgram(file, text) {
      const path = join(root, file);
      changed.delete(path);
      const before = faults(path);
      changed.set(path, { text, version: ++version });
      const after = faults(path);
      changed.delete(path);
      return after <= before;
    },
  };
}
