/**
 * Tests of tfjs-core that fail on this engine, by full name, each with its reason; none does now. An
 * entry whose test passes fails the run, so that the list stays true.
 */
export const KNOWN_FAILURES: ReadonlyMap<string, string> = new Map([]);
