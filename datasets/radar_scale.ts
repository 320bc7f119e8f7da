/**
 * The scale of rain in [0, 1]: reflectivity from -10 to 60 dBZ, as in HKO-7 (X. Shi et al., "Deep
 * Learning for Precipitation Nowcasting", 2017: dBZ = 70 value - 10). Reflectivity spreads drizzle
 * and cloudbursts over the scale; scores are told in mm/h, which a Z-R relation gives.
 */

const dbzLeast = -10;
const dbzSpan = 70;

/** What a value of 1 means. */
export const radarUnit = "60 dBZ";

/** Z = a R^b between reflectivity Z in mm^6/m^3 and rain rate R in mm/h. */
export interface ZRelation {
  readonly a: number;
  readonly b: number;
}

/** J. S. Marshall, W. McK. Palmer 1948 in its usual form; KNMI's composites are made with it. */
export const marshallPalmer: ZRelation = { a: 200, b: 1.6 };
/** Rain of the Finnish Meteorological Institute's composites. */
export const fmiRelation: ZRelation = { a: 223, b: 1.53 };
/** X. Shi et al. 2015 (arXiv 1506.04214), for Hong Kong. */
export const shiRelation: ZRelation = { a: 118.239, b: 1.5241 };
/** HKO-7 (X. Shi et al. 2017), its evaluation code. */
export const hkoRelation: ZRelation = { a: 58.53, b: 1.56 };

/** In mm/h; no rain (-Infinity dBZ) is 0. */
export function rainRateOfReflectivity(dbz: number, { a, b }: ZRelation): number {
  return (10 ** (dbz / 10) / a) ** (1 / b);
}

/** In dBZ; a rate of 0 gives -Infinity. @param rate in mm/h */
export function reflectivityOfRainRate(rate: number, { a, b }: ZRelation): number {
  return 10 * Math.log10(a * rate ** b);
}

/** No rain (-Infinity dBZ) and anything below -10 dBZ is 0, anything above 60 dBZ is 1. */
export function valueOfReflectivity(dbz: number): number {
  return Math.min(1, Math.max(0, (dbz - dbzLeast) / dbzSpan));
}

/** In dBZ; a value of 0 means no rain and gives -Infinity, NaN (not observed) stays NaN. */
export function reflectivityOfValue(value: number): number {
  return value <= 0 ? -Infinity : value * dbzSpan + dbzLeast;
}

/** @param rate in mm/h */
export function valueOfRainRate(rate: number, relation: ZRelation): number {
  return valueOfReflectivity(reflectivityOfRainRate(rate, relation));
}

/** In mm/h; a value of 0 means no rain. */
export function rainRateOfValue(value: number, relation: ZRelation): number {
  return rainRateOfReflectivity(reflectivityOfValue(value), relation);
}
