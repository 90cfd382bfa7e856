import { expect, it } from 'vitest';
import { isLeaving } from '../../src/data/files.ts';
import { typeOf } from '../../src/data/image-type.ts';
import { separateMasks } from '../../src/data/masks.ts';

it.each(['FOUND.001', 'LOST.DIR', 'TheVolumeSettingsFolder', 'trashbox'])('passes %s over', (name) => {
  expect(isLeaving(name)).toBe(true);
});

it("tells ISIC 2017's superpixels from the images beside them", () => {
  const { images, masks } = separateMasks('/d', ['/d/ISIC_0000000.jpg', '/d/ISIC_0000000_superpixels.png']);
  expect([images.length, masks.length]).toEqual([1, 1]);
});

it('knows a BMP whose reserved bytes are signed', () => {
  const head = Buffer.alloc(54);
  head.write('BM', 0);
  head.write('PAIN', 6);
  head.writeUInt32LE(40, 14);
  expect(typeOf(head)).toEqual({ format: 'BMP' });
  expect(typeOf(Buffer.from('BMI of all patients, in kg per square metre'))).toEqual({ other: undefined });
});
