import { count, type Given, refuse, type Shape, show } from '../operator.ts';

/** One value, one a channel, or one an element of an item; element i of an item of n uses constant floor(i length / n). */
export interface AffineAttributes {
  readonly scale: readonly number[];
  readonly shift: readonly number[];
}

export function shape({
  attributes,
  inputs: [x],
}: Pick<Given<AffineAttributes, never>, 'attributes' | 'inputs'>): Shape[] {
  const [channels = 1] = x.shape;
  for (const constants of [attributes.scale, attributes.shift]) {
    if (![1, channels, count(x.shape)].includes(constants.length)) {
      refuse(
        `has ${constants.length} constants for an input of shape ${show(x.shape)}`,
        `1, ${channels} (one a channel) or ${count(x.shape)} (one an element) are expected: check the input size.`,
      );
    }
  }
  return [x.shape];
}
