/**
 * The Gram matrix of features: K[i][j] is the inner product of samples i and j. Everything that a linear method can know
 * of features stands in it, however many there are, and small data sets have few samples.
 */
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';

/**
 * @param features [samples, dimensions]
 * @returns samples x samples, in units in which a sample's square is 1 on average
 */
export function gramMatrix(features: Float64Array, samples: number): Matrix {
  const dimensions = features.length / samples;
  const gram = Matrix.zeros(samples, samples);
  for (let i = 0; i < samples; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      const [a, b] = [i * dimensions, j * dimensions];
      for (let d = 0; d < dimensions; d++) sum += features[a + d] * features[b + d];
      gram.set(i, j, sum);
      gram.set(j, i, sum);
    }
  }
  const mean = gram.trace() / samples;
  return mean > 0 ? gram.div(mean) : gram;
}

/** Of the features less their mean over the samples. */
export function centred(gram: Matrix): Matrix {
  const n = gram.rows;
  const means = gram.mean('row');
  const all = gram.mean();
  const result = Matrix.zeros(n, n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) result.set(i, j, gram.get(i, j) - means[i] - means[j] + all);
  }
  return result;
}

export interface Spectrum {
  /** eigenvalues, none below 0: what rounding makes negative is 0 */
  readonly values: readonly number[];
  /** the k-th column belongs to the k-th value */
  readonly vectors: Matrix;
}

export function spectrumOf(gram: Matrix): Spectrum {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(gram, { assumeSymmetric: true });
  return { values: realEigenvalues.map((value) => Math.max(0, value)), vectors: eigenvectorMatrix };
}

/** 1 for a sample's class, 0 for the others: [samples, classes]. */
export function oneHot(labels: ArrayLike<number>, classes: number): Matrix {
  const matrix = Matrix.zeros(labels.length, classes);
  for (let i = 0; i < labels.length; i++) matrix.set(i, labels[i], 1);
  return matrix;
}
