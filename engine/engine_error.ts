/** An operation that an engine could not run or record: says which, on what shapes, and why. */
export class EngineError extends Error {
  override readonly name = "EngineError";
}
