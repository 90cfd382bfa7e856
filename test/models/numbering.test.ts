/** What a layer's number means: MATLAB's for the paper's networks, the file's own elsewhere. */
import { describe, expect, it } from 'vitest';
import { freezePoints, numberLayers } from '../../src/models/layers.ts';
import type { Network } from '../../src/models/network.ts';
import { aboutNumbers, hasPaperNumbers, paperLayers, paperNetworkLike } from '../../src/models/numbering.ts';
import { alexnetSmall, vgg16 } from '../../src/models/tables.ts';

const small = alexnetSmall({ classes: 2, seed: 1 });
/** As torchvision has it: no normalisation. */
const withoutNorm: Network = {
  ...small,
  name: 'torchvision',
  nodes: numberLayers(
    small.nodes.filter(({ op }) => op.kind !== 'lrn'),
    small.inputs.map(({ name }) => name),
  ),
};

describe("a layer's number", () => {
  it("is the paper's where the table has MATLAB's layers", () => {
    for (const [network, key] of [
      [small, 'AlexNet'],
      [vgg16({ seed: 1, classes: 2, size: 32, hidden: 8, filters: [2, 2, 2, 2, 2] }), 'VGG16'],
    ] as const) {
      expect(paperNetworkLike(network)).toBe(key);
      expect(hasPaperNumbers(network, key)).toBe(true);
      expect(aboutNumbers(network)).toMatch(/MATLAB's for (AlexNet|VGG16), as in the paper/);
      expect(freezePoints(network).map(({ number, name }) => [number, name])).toEqual(paperLayers[key]);
    }
  });

  it('is another layer where normalisation is missing, and both are named', () => {
    expect(freezePoints(withoutNorm).map(({ number }) => number)).toEqual([2, 5, 8, 10, 12, 15, 18, 21]);
    expect(paperNetworkLike(withoutNorm)).toBe('AlexNet');
    expect(hasPaperNumbers(withoutNorm, 'AlexNet')).toBe(false);
    const text = aboutNumbers(withoutNorm);
    expect(text).toContain('6 (conv2) is 5 here, 10 (conv3) is 8 here, 12 (conv4) is 10 here');
    expect(text).toContain('10 here is conv4, not conv3');
  });

  it('says nothing of the paper for other networks', () => {
    const other = { ...small, nodes: small.nodes.filter(({ name }) => name !== 'conv4') };
    expect(paperNetworkLike(other)).toBeUndefined();
    expect(aboutNumbers(other)).toMatch(/^Numbers count this file's own layers/);
  });
});
