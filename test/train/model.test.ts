import { describe, expect, it } from 'vitest';
import { alexnetSmall } from '../../src/models/tables.ts';
import { multiplyAdds } from '../../src/train/arithmetic.ts';
import { createModel, describeFreeze, parseMaskRules, setMasks } from '../../src/train/model.ts';
import { allFreezePoints, planCells } from '../../src/train/plan.ts';

const network = alexnetSmall({ classes: 2 });
const masksOf = (options: Partial<Parameters<typeof setMasks>[1]>) => {
  const model = createModel(network);
  setMasks(model, { freeze: 'none', newParameters: ['fc8.weight', 'fc8.bias'], newLayerFactor: 10, ...options });
  return Object.fromEntries([...model.parameters].map(([name, { mask }]) => [name, mask]));
};

describe('masks', () => {
  it('freezing at 6 stops conv1 and conv2, the new layer learns ten times as fast', () => {
    const masks = masksOf({ freeze: 6 });
    expect(Object.keys(masks).filter((name) => masks[name] === 0)).toEqual([
      'conv1.weight',
      'conv1.bias',
      'conv2.weight',
      'conv2.bias',
    ]);
    expect(masks['conv3.weight']).toBe(1);
    expect(masks['fc8.bias']).toBe(10);
  });

  it('rules override in their order, by patterns over names', () => {
    const masks = masksOf({ rules: parseMaskRules(['conv*.weight=0.5', 'conv1.*=0', 'fc8.weight=3']) });
    expect(masks['conv2.weight']).toBe(0.5);
    expect(masks['conv2.bias']).toBe(1);
    expect(masks['conv1.weight']).toBe(0);
    expect(masks['fc8.weight']).toBe(3);
    expect(masks['fc8.bias']).toBe(10);
  });

  it.each([
    [{ newParameters: ['fc8.weigth'] }, /has no parameter 'fc8\.weigth' to train\. It has conv1\.weight/],
    [{ newLayerFactor: -1 }, /newLayerFactor is -1\. Give a number of 0 or more/],
    [{ layerDecay: 0 }, /layerDecay is 0\. Give a number above 0, at most 1/],
    [{ layerDecay: -1 }, /layerDecay is -1\./],
    [{ rules: [{}] }, /rules is Array of length 1\. Give a list of \{ pattern, factor \}/],
    [{ rules: [{ pattern: 'fc8.*', factor: Number.NaN }] }, /Give a list of \{ pattern, factor \}/],
  ])('refuses %o', (options, message) => {
    expect(() => masksOf(options as never)).toThrow(message);
  });

  it('tunes only the layers named, by name, number or range, and the new one', () => {
    const trained = (tuneOnly: string[]) => {
      const masks = masksOf({ tuneOnly });
      return Object.keys(masks).filter((name) => masks[name] !== 0 && name.endsWith('.weight'));
    };
    expect(trained(['conv1'])).toEqual(['conv1.weight', 'fc8.weight']);
    expect(trained(['conv2..12', '20'])).toEqual([
      'conv2.weight',
      'conv3.weight',
      'conv4.weight',
      'fc7.weight',
      'fc8.weight',
    ]);
    expect(() => trained(['conv9'])).toThrow(/no learnable layer 'conv9'/);
    expect(() => trained(['conv3..conv1'])).toThrow(/a range is FIRST\.\.LAST/);
    expect(() => masksOf({ tuneOnly: ['conv1'], freeze: 6 })).toThrow(/give one of them/);
  });

  it('layer-wise decay: the k-th layer before the last has decay^k; frozen layers stay so, the new one has its factor', () => {
    const masks = masksOf({ freeze: 2, layerDecay: 0.5 });
    const weights = Object.entries(masks).filter(([name]) => name.endsWith('.weight'));
    expect(weights.map(([, mask]) => mask)).toEqual([0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 10]);
    expect(masks['conv2.bias']).toBe(1 / 64);
  });

  it('refuses what would train nothing, match nothing or is no factor', () => {
    expect(() => masksOf({ rules: parseMaskRules(['*=0']) })).toThrow(/nothing would be trained/);
    expect(() => masksOf({ rules: parseMaskRules(['conv9.*=1']) })).toThrow(/"conv9\.\*" matches no parameter/);
    expect(() => parseMaskRules(['conv1=-1'])).toThrow(/factor of 0 or more/);
    expect(() => parseMaskRules(['=1'])).toThrow(/PATTERN=FACTOR/);
  });
});

describe('the grid', () => {
  const plan = {
    title: '',
    freeze: allFreezePoints(network),
    learningRates: [0.001, 0.002],
    newLayerFactor: 10,
    allFrozenRates: [0.01, 0.05],
    seeds: [1],
    fit: {} as never,
    notes: {},
  };

  it("has the paper's eight freeze points of AlexNet", () => {
    expect(allFreezePoints(network)).toEqual(['none', 2, 6, 10, 12, 14, 17, 20]);
  });

  it('plans a cell for each point and rate, and the further all-frozen rates once', () => {
    const cells = planCells(network, plan);
    // 0.01 is the new layer's rate at the global 0.001 already.
    expect(cells.length).toBe(8 * 2 + 1);
    expect(cells.at(-1)).toMatchObject({ freeze: { number: 20, name: 'fc7', all: true }, newLayerRate: 0.05 });
    expect(new Set(cells.map(({ folder }) => folder)).size).toBe(cells.length);
  });

  it('the cost of a step: forward once, backward twice above the frost line', () => {
    // Multiply-adds an image, by hand: places x weights of each layer.
    const forward =
      29 * 29 * 16 * 3 * 49 +
      14 * 14 * 32 * 8 * 25 +
      36 * 48 * 32 * 9 +
      36 * 48 * 24 * 9 +
      36 * 32 * 24 * 9 +
      128 * 128 * 2 +
      256;
    const conv1 = 29 * 29 * 16 * 3 * 49;
    expect(multiplyAdds(network, () => true)).toBe(3 * forward - conv1);
    expect(multiplyAdds(network)).toBe(forward);
    // Only the classifier: its weight gradient, and no gradient of its input.
    expect(multiplyAdds(network, (name) => name.startsWith('fc8'))).toBe(forward + 256);
  });

  it('names a freeze point by layer', () => {
    expect(describeFreeze(network, 'none')).toEqual({ number: null, name: 'none' });
    expect(describeFreeze(network, 'conv3')).toEqual({ number: 10, name: 'conv3' });
    expect(describeFreeze(network, 'all')).toEqual({ number: 20, name: 'fc7', all: true });
    const last = network.nodes.find(({ name }) => name === 'fc8')!;
    const single = { ...network, nodes: [last], parameters: new Map() };
    expect(describeFreeze(single, 'all')).toEqual({ number: null, name: 'none' });
  });
});
