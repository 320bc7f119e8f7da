/** The files that a run was trained on, beside those at hand. */

/**
 * Why the data are not those of the run, in words.
 * @param trained as `datasets/data_identity.ts` tells it
 * @param found undefined where the data at hand are generated
 * @returns undefined where they are, or where it is not known what the run was trained on
 */
export function dataDifference(
  trained: string | undefined,
  found: string | undefined,
): string | undefined {
  if (trained === undefined || trained === found) return undefined;
  return `its data were ${trained}, and are now ${found ?? "generated"}`;
}
