/** What went wrong, in the sentence that workers and people are told. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
