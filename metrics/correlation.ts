/**
 * Two correlations of predicted and true fields: Pearson's, about the means, and the one of
 * precipitation nowcasting (X. Shi et al. 2015, and HKO-7's code), about zero, which rewards the right
 * places without asking for the right amount. Sums of parts are added.
 */

export interface CorrelationSums {
  /** Pixels that both sides observe. */
  readonly count: number;
  readonly predictions: number;
  readonly truths: number;
  readonly predictionSquares: number;
  readonly truthSquares: number;
  readonly products: number;
}

export const noCorrelation: CorrelationSums = {
  count: 0,
  predictions: 0,
  truths: 0,
  predictionSquares: 0,
  truthSquares: 0,
  products: 0,
};

/** Keeps the correlation of empty fields at 0 rather than undefined, as in the paper. */
const denominatorLeast = 1e-9;

export function correlationSums(
  prediction: Float32Array | Float64Array,
  truth: Float32Array | Float64Array,
): CorrelationSums {
  let [count, predictions, truths] = [0, 0, 0];
  let [predictionSquares, truthSquares, products] = [0, 0, 0];
  for (let i = 0; i < truth.length; i++) {
    const [p, t] = [prediction[i], truth[i]];
    if (Number.isNaN(p) || Number.isNaN(t)) continue;
    count++;
    predictions += p;
    truths += t;
    predictionSquares += p * p;
    truthSquares += t * t;
    products += p * t;
  }
  return { count, predictions, truths, predictionSquares, truthSquares, products };
}

export function addCorrelation(one: CorrelationSums, two: CorrelationSums): CorrelationSums {
  return {
    count: one.count + two.count,
    predictions: one.predictions + two.predictions,
    truths: one.truths + two.truths,
    predictionSquares: one.predictionSquares + two.predictionSquares,
    truthSquares: one.truthSquares + two.truthSquares,
    products: one.products + two.products,
  };
}

/** sum(P T) / (sqrt(sum(P^2) sum(T^2)) + 1e-9); null where nothing was observed. */
export function uncentredCorrelation(sums: CorrelationSums): number | null {
  if (sums.count === 0) return null;
  const norm = Math.sqrt(sums.predictionSquares * sums.truthSquares);
  return sums.products / (norm + denominatorLeast);
}

/** Pearson's; null where one side is the same everywhere. */
export function pearsonCorrelation(sums: CorrelationSums): number | null {
  const { count, predictions, truths, predictionSquares, truthSquares, products } = sums;
  const variances = (count * predictionSquares - predictions ** 2) *
    (count * truthSquares - truths ** 2);
  return variances > 0 ? (count * products - predictions * truths) / Math.sqrt(variances) : null;
}
