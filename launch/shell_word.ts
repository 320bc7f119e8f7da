/**
 * Text as one word of a shell's command line: what we print to be pasted must mean the same there,
 * whatever a path holds, and run nothing that its name spells.
 */

/** Quoted where it holds anything but what every shell takes as it is. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
