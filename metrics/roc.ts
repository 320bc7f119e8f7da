/**
 * How well a score tells events from the rest, whatever the threshold: the area under the receiver
 * operating characteristic. It is the chance that an event has a higher score than a non-event, ties
 * counting half (J. A. Hanley, B. J. McNeil, Radiology 143, 1982), so it follows from ranks alone.
 */

/**
 * @param isEvent for each score
 * @returns 1 for a perfect score, 0.5 for chance; null where there are no events, or nothing else
 * @throws {RangeError} where the lengths differ, or a score is not a number
 */
export function areaUnderRoc(
  scores: ArrayLike<number>,
  isEvent: ArrayLike<boolean | number>,
): number | null {
  const count = scores.length;
  if (isEvent.length !== count) {
    throw new RangeError(`Cannot rank ${count} scores of ${isEvent.length} events`);
  }
  const order = Uint32Array.from({ length: count }, (_, index) => index)
    .sort((one, two) => scores[one] - scores[two]);
  let [events, eventRanks] = [0, 0];
  for (let start = 0; start < count;) {
    let end = start + 1;
    if (Number.isNaN(scores[order[start]])) {
      throw new RangeError(`Cannot rank scores: number ${order[start]} of ${count} is NaN`);
    }
    while (end < count && scores[order[end]] === scores[order[start]]) end++;
    // Equal scores share the mean of their ranks, from 1 on.
    const rank = (start + 1 + end) / 2;
    for (let place = start; place < end; place++) {
      if (!isEvent[order[place]]) continue;
      events++;
      eventRanks += rank;
    }
    start = end;
  }
  const others = count - events;
  if (events === 0 || others === 0) return null;
  return (eventRanks - (events * (events + 1)) / 2) / (events * others);
}
