import { number, type Role, type Rule, refuse, type Shape, show } from '../operator.ts';

export interface BatchNormalizationAttributes {
  readonly epsilon: number;
  readonly momentum: number;
}

export type BatchNormalizationRole = 'scale' | 'shift' | 'mean' | 'variance';

/** MATLAB's layer has decay on scale and offset, as on weights; both stand still with the layer that they follow. */
const trained: Role = { kind: 'trained', decays: true, follows: true };
const state: Role = { kind: 'state' };

export const roles: { readonly [N in BatchNormalizationRole]: Role } = {
  scale: trained,
  shift: trained,
  mean: state,
  variance: state,
};

/** x [channels, ...]; all four parameters [channels]. */
export const rule: Rule<BatchNormalizationAttributes, BatchNormalizationRole> = {
  attributes: {
    epsilon: number('added to the variance', (v) => v > 0, ' above 0'),
    momentum: number(
      'share of the running statistics that a training step by the batch leaves',
      (v) => v >= 0 && v <= 1,
      ' from 0 to 1',
    ),
  },
  shape({ inputs: [x], parameters }): Shape[] {
    const [channels] = x.shape;
    if (channels === undefined) refuse(`reads '${x.name}', single numbers`, 'Items of [channels, ...] are expected.');
    for (const role of Object.keys(roles) as BatchNormalizationRole[]) {
      const given = parameters[role];
      if (given !== undefined && (given.shape.length !== 1 || given.shape[0] !== channels)) {
        refuse(
          `has ${role} '${given.name}' of shape ${show(given.shape)}`,
          `[${channels}] is expected, one a channel of '${x.name}' ${show(x.shape)}.`,
        );
      }
    }
    return [x.shape];
  },
};
