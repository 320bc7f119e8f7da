/**
 * Names of weights and states as checkpoints hold them. Keras lets layers be named with spaces and
 * brackets and at any length; a checkpoint's arrays have plain names.
 */

/** A checkpoint puts the name of an optimizer's slot before each: 28 characters are left for that. */
export const arrayNameCharactersMax = 100;

/** As `coordinator/safetensors.ts` takes them. */
export function isArrayName(name: string): boolean {
  return /^(?!__)[A-Za-z0-9._/-]+$/.test(name) && !name.includes("..") &&
    name.length <= arrayNameCharactersMax;
}

/** Each name, or one like it that is plain and no other's. */
export function arrayNames(names: readonly string[]): string[] {
  const taken = new Set(names.filter(isArrayName));
  return names.map((name) => {
    if (isArrayName(name)) return name;
    const plain = name.replaceAll(/[^A-Za-z0-9._/-]|\.(?=\.)|^_(?=_)/g, "-")
      .slice(-(arrayNameCharactersMax - 5)).replace(/^__/, "--");
    let free = plain;
    for (let count = 2; free === "" || taken.has(free); count++) free = `${plain}-${count}`;
    taken.add(free);
    return free;
  });
}
