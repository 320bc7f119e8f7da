/** What came out of a test run, read from its report, so that several runs add up to one line. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skippedNames: readonly string[];
}

export const noTests: TestCounts = { passed: 0, failed: 0, skipped: 0, skippedNames: [] };

export function addCounts(a: TestCounts, b: TestCounts): TestCounts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
    skippedNames: [...a.skippedNames, ...b.skippedNames],
  };
}

/** "12 passed, 0 failed, 1 skipped" */
export function describeCounts({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** Counts the test cases (a test's steps are cases too) of the JUnit XML that `deno test` writes. */
export function readJUnitReport(xml: string): TestCounts {
  const counts = { passed: 0, failed: 0, skipped: 0, skippedNames: [] as string[] };
  for (const [, name, body] of xml.matchAll(/<testcase name="([^"]*)"[^>]*>([^]*?)<\/testcase>/g)) {
    if (body.includes("<failure") || body.includes("<error")) counts.failed++;
    else if (body.includes("<skipped")) {
      counts.skipped++;
      counts.skippedNames.push(unescapeXml(name));
    } else counts.passed++;
  }
  return counts;
}

/** The last line of the form that `describeCounts` writes, or undefined. */
export function readClosingLine(output: string): TestCounts | undefined {
  const lines = [...output.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped/gm)];
  const last = lines.at(-1);
  if (last === undefined) return undefined;
  const [passed, failed, skipped] = last.slice(1).map(Number);
  return { passed, failed, skipped, skippedNames: [] };
}

function unescapeXml(text: string): string {
  const characters: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name) => characters[name]);
}
