/** Names of the classes that a network was trained to tell, beside those of the data at hand. */

/**
 * Why the data's classes are not those of the run, in words: its answers number the run's own, and
 * would be told by other names.
 * @returns undefined where they are, or where one side has no names
 */
export function classDifference(
  trained: readonly string[] | undefined,
  found: readonly string[] | undefined,
): string | undefined {
  if (trained === undefined || found === undefined) return undefined;
  const isSame = trained.length === found.length &&
    trained.every((name, index) => name === found[index]);
  if (isSame) return undefined;
  return `its classes are ${listed(trained)}, those of the data are ${listed(found)}`;
}

const shownMax = 20;

function listed(names: readonly string[]): string {
  const more = names.length - shownMax;
  return names.slice(0, shownMax).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
