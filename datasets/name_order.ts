/**
 * The order of names with numbers in them: 2 before 10, -3 before -2. The same on every machine,
 * whatever order its disk lists them in.
 */

/** 2 before 10. */
const numeric = new Intl.Collator("en", { numeric: true });
/** A minus elsewhere, as in 2024-01-31 or frame-7, parts a name. */
const signed = /(?<=^|[_=([-])([-+\u2212])(\d+)/g;
/** More digits than a name's number has. */
const digitsMax = 64;

/** A comparison for `sort()`; 0 for equal names alone. */
export function compareNames(one: string, two: string): number {
  return numeric.compare(sortKey(one), sortKey(two)) || (one < two ? -1 : one > two ? 1 : 0);
}

/** Parents before children, which come in the order of their names. */
export function comparePaths(one: string, two: string): number {
  const [ones, twos] = [one.split("/"), two.split("/")];
  for (let i = 0; i < Math.min(ones.length, twos.length); i++) {
    const order = compareNames(ones[i], twos[i]);
    if (order !== 0) return order;
  }
  return ones.length - twos.length;
}

/** Its negative numbers as what is missing to the largest: that of -3 is below that of -2. */
function sortKey(name: string): string {
  return name.replace(signed, (_, sign: string, digits: string) => {
    if (sign === "+") return digits;
    const rest = digits.padStart(digitsMax, "0").replace(/\d/g, (digit) => `${9 - Number(digit)}`);
    return `-${rest}`;
  });
}

/** The same for names that have the same numbers in the same places: 1 and 001, a1 and A1. */
export function sameNumbersKey(name: string): string {
  return name.toLowerCase().replace(signed, (_, sign, digits) => (sign === "+" ? "" : "-") + digits)
    .replace(/\d+/g, (digits) => digits.replace(/^0+(?=\d)/, ""));
}
