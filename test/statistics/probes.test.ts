/** Linear probe, LogME, CKA and Kendall's tau against sklearn, scipy and numpy, on random features of random shapes. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/random.ts';
import { cka } from '../../src/statistics/cka.ts';
import { gramMatrix, oneHot, spectrumOf } from '../../src/statistics/gram.ts';
import { kendallTau } from '../../src/statistics/kendall.ts';
import { linearProbe, PENALTIES } from '../../src/statistics/linear-probe.ts';
import { logme } from '../../src/statistics/logme.ts';
import { testSeed } from '../support/gpu.ts';
import { pythonWith, runPython } from '../support/python.ts';

const python = pythonWith('numpy', 'scipy', 'sklearn');

interface Case {
  readonly classes: number;
  readonly labels: number[];
  readonly groups: number[];
  /** [samples][dimensions] */
  readonly features: number[][];
}

/** Fewer and more samples than dimensions; classes that the features tell apart more or less; some of equal features. */
function draw(random: Random, k: number): Case {
  const classes = 2 + (k % 3);
  const samples = classes * (6 + random.integer(8));
  const dimensions = k % 2 === 0 ? 3 + random.integer(5) : 60 + random.integer(60);
  const labels = Array.from({ length: samples }, (_, i) => (i < classes ? i : random.integer(classes)));
  const shift = 2 * random.uniform();
  const features = labels.map((label) =>
    Array.from({ length: dimensions }, (_, d) => 1 + random.normal() + (d % classes === label ? shift : 0)),
  );
  features[1] = features[0];
  return { classes, labels, groups: labels.map((_, i) => Math.floor(i / 3)), features };
}

const script = `
import json, sys
import numpy as np
from scipy.optimize import minimize
from scipy.stats import kendalltau
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import LeaveOneGroupOut
given = json.load(open(sys.argv[1]))
penalties = given['penalties']
out = []
for case in given['cases']:
    F, y = np.array(case['features']), np.array(case['labels'])
    n, k = len(y), case['classes']
    Fc = F - F.mean(0)
    def left_out(groups):
        best = None
        for m in penalties:
            alpha, error, predicted = m * (Fc ** 2).sum() / n, 0.0, np.zeros(n, int)
            for train, test in LeaveOneGroupOut().split(F, y, groups):
                # The penalty of all samples, the fit of those that are left.
                ridge = RidgeClassifier(alpha=alpha).fit(F[train], y[train])
                T = np.eye(k)[y[train]] * 2 - 1
                A = F[train] - F[train].mean(0)
                W = np.linalg.solve(A @ A.T + alpha * np.eye(len(train)), T - T.mean(0))
                S = (F[test] - F[train].mean(0)) @ A.T @ W + T.mean(0)
                error += ((np.eye(k)[y[test]] * 2 - 1 - S) ** 2).sum()
                predicted[test] = S.argmax(1)
                if len(test) > 1 and len(np.unique(y[train])) == k: assert (ridge.predict(F[test]) == S.argmax(1)).all()
            if best is None or error < best[0]: best = (error, m, predicted.tolist())
        return best[1:]
    K = F @ F.T
    K /= np.trace(K) / n
    def evidence(y):
        def minus(p):
            C = np.exp(p[0]) * (K / np.exp(np.clip(p[1], -9, 16)) + np.eye(n))
            return (n * np.log(2 * np.pi) + np.linalg.slogdet(C)[1] + y @ np.linalg.solve(C, y)) / 2 / n
        starts = [(-3, -6), (-2, 2)]
        return -min(minimize(minus, s, method='Nelder-Mead', options={'xatol': 1e-5, 'fatol': 1e-9}).fun for s in starts)
    Y = np.eye(k)[y]
    Yc = Y - Y.mean(0)
    out.append({
        'alone': left_out(np.arange(n)), 'grouped': left_out(np.array(case['groups'])),
        'logme': float(np.mean([evidence(Y[:, c]) for c in range(k)])),
        'cka': float(np.linalg.norm(Yc.T @ Fc) ** 2 / (np.linalg.norm(Fc.T @ Fc) * np.linalg.norm(Yc.T @ Yc))),
        'tau': kendalltau(F[0], np.round(F[2], 0)).statistic,
    })
print(json.dumps(out))
`;

describe.skipIf(python === undefined)('probes of features', () => {
  it('agree with sklearn, scipy and numpy', async () => {
    const { mkdtempSync, rmSync, writeFileSync } = await import('node:fs');
    const { tmpdir } = await import('node:os');
    const { join } = await import('node:path');
    const random = new Random(testSeed);
    const cases = Array.from({ length: 4 }, (_, k) => draw(random, k));
    const folder = mkdtempSync(join(tmpdir(), 'frostline-probes-'));
    try {
      const file = join(folder, 'cases.json');
      writeFileSync(file, JSON.stringify({ cases, penalties: PENALTIES }));
      const expected = JSON.parse(runPython(python!, script, file));
      for (const [i, { classes, labels, groups, features }] of cases.entries()) {
        const where = `case ${i}, seed ${testSeed}`;
        const gram = gramMatrix(Float64Array.from(features.flat()), labels.length);
        const alone = linearProbe(gram, labels, classes);
        expect([alone.penalty, [...alone.predicted]], where).toEqual(expected[i].alone);
        const grouped = linearProbe(gram, labels, classes, groups.map(String));
        expect([grouped.penalty, [...grouped.predicted]], where).toEqual(expected[i].grouped);
        // The evidence's maximum by search, from the density itself.
        expect(Math.abs(logme(spectrumOf(gram), labels, classes) - expected[i].logme), where).toBeLessThan(1e-5);
        const indicators = oneHot(labels, classes);
        expect(cka(gram, indicators.mmul(indicators.transpose())), where).toBeCloseTo(expected[i].cka, 10);
        const tau = kendallTau(
          features[0],
          features[2].map((value) => Number(value.toFixed(0))),
        );
        expect(tau, where).toBeCloseTo(expected[i].tau, 10);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
