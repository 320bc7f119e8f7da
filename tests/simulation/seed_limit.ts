/** A seed takes a fraction of a second: one that takes this long goes round in circles. */
export const seedSecondsMax = 60;
