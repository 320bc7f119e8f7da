/**
 * JSON of others: `JSON.parse` nests without a bound, until the stack of whoever walks over the result
 * ends, and takes the last of two members of one name, where another reader takes the first. Both are
 * refused here, in one pass over the text before it is parsed.
 */

/** Configurations and manifests nest to 5. */
const depthMax = 32;

/** @throws {SyntaxError} where the text is no JSON, nests too deep, or names a member twice */
export function parseJson(text: string): unknown {
  checkNesting(text);
  return JSON.parse(text);
}

/** Texts and what opens and closes; in valid JSON nothing else matters here. */
const tokens = /"(?:[^"\\]|\\.)*"|[[\]{}:]/gs;

function checkNesting(text: string): void {
  /** Names that each open object has so far; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let lastText: string | undefined;
  for (const [token] of text.matchAll(tokens)) {
    if (token === "{" || token === "[") {
      if (open.length === depthMax) throw new SyntaxError(`it nests deeper than ${depthMax}`);
      open.push(token === "{" ? new Set() : undefined);
    } else if (token === "}" || token === "]") {
      open.pop();
    } else if (token === ":") {
      if (lastText !== undefined) addName(open.at(-1), lastText);
    }
    lastText = token[0] === '"' ? token : undefined;
  }
}

function addName(names: Set<string> | undefined, token: string): void {
  // "a" and "\u0061" are one name.
  const name = token.includes("\\") ? String(JSON.parse(token)) : token.slice(1, -1);
  if (names?.has(name)) throw new SyntaxError(`it has two members ${JSON.stringify(name)}`);
  names?.add(name);
}
