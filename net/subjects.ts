/**
 * NATS subjects: tokens joined by dots, where a subscription may say `*` for one token and `>` for
 * one or more at the end. Both transports check and match them here, so that a subject which one
 * of them would quietly drop is refused by the other as well.
 */

/** Server limit on one protocol line; a subject must leave room for the rest of it. */
const subjectLengthMax = 1024;

/** Whether `subject` can be published on: non-empty tokens without spaces or wildcards. */
export function isPublishSubject(subject: string): boolean {
  return subject.length <= subjectLengthMax && /^[^\s.*>]+(\.[^\s.*>]+)*$/.test(subject);
}

/** Whether `pattern` can be subscribed to: tokens, `*`, and `>` as the last token only. */
export function isSubscribeSubject(pattern: string): boolean {
  return pattern.length <= subjectLengthMax &&
    /^(([^\s.*>]+|\*)\.)*([^\s.*>]+|\*|>)$/.test(pattern);
}

/** Whether a message on `subject` reaches a subscription to `pattern`. */
export function subjectMatches(pattern: string, subject: string): boolean {
  if (pattern === subject) return true;
  const wanted = pattern.split(".");
  const tokens = subject.split(".");
  for (const [i, token] of wanted.entries()) {
    if (token === ">") return tokens.length > i;
    if (token !== "*" && token !== tokens[i]) return false;
    if (i >= tokens.length) return false;
  }
  return wanted.length === tokens.length;
}
