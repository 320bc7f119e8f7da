/** Aligned plain-text tables, for benchmarks and summaries: words to the left, numbers to the right. */
export type TableCell = string | number;

/**
 * Lays `rows` out under `headers`. A column whose cells are all numbers is aligned right; numbers
 * are written as given, so round them first.
 * @returns lines that end without a line break
 * @throws {RangeError} if a row has another number of cells than `headers`
 */
export function formatTable(
  headers: readonly string[],
  rows: readonly (readonly TableCell[])[],
): string {
  for (const [index, row] of rows.entries()) {
    if (row.length !== headers.length) {
      throw new RangeError(
        `Cannot lay out row ${index}: it has ${row.length} cells for ${headers.length} headers`,
      );
    }
  }
  const columns = headers.map((header, index) => {
    const cells = rows.map((row) => row[index]);
    return {
      width: Math.max(header.length, ...cells.map((cell) => String(cell).length)),
      isNumeric: cells.length > 0 && cells.every((cell) => typeof cell === "number"),
    };
  });
  const lines = [headers, columns.map(({ width }) => "─".repeat(width)), ...rows];
  return lines.map((cells) =>
    columns.map(({ width, isNumeric }, index) =>
      isNumeric ? String(cells[index]).padStart(width) : String(cells[index]).padEnd(width)
    ).join("  ").trimEnd()
  ).join("\n");
}
