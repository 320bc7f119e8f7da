/** How figures look in text: enough digits to compare, few enough to read. */

/** A loss with four significant digits, e.g. "0.01234", "12.35", "1.234e-7". */
export function formatLoss(loss: number): string {
  if (!Number.isFinite(loss)) return String(loss);
  return loss !== 0 && Math.abs(loss) < 1e-4 ? loss.toExponential(3) : loss.toPrecision(4);
}
