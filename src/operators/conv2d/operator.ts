import { conv2dReference } from '../../check/reference/conv2d.ts';
import { conv2dDirectFilterGradient } from '../../kernels/conv2d/direct/filter-gradient.ts';
import { conv2dDirect } from '../../kernels/conv2d/direct/forward.ts';
import { conv2dPad } from '../../kernels/conv2d/direct/pad.ts';
import { conv2dPhases, conv2dPhasesBackward } from '../../kernels/conv2d/phases/phases.ts';
import { winogradFilter } from '../../kernels/conv2d/winograd/filter.ts';
import { winogradFilterGradient } from '../../kernels/conv2d/winograd/filter-gradient.ts';
import { fusedCorrelation } from '../../kernels/conv2d/winograd/fused/correlation.ts';
import { fusedFilterGradient } from '../../kernels/conv2d/winograd/fused/filter-gradient.ts';
import { winogradGradient } from '../../kernels/conv2d/winograd/gradient.ts';
import { winogradImage } from '../../kernels/conv2d/winograd/image.ts';
import { winogradOutput } from '../../kernels/conv2d/winograd/output.ts';
import { count, defineOperator, sameNumber } from '../operator.ts';
import { conv2d as build } from './graph.ts';
import { onnx } from './onnx.ts';
import { attributes, type Conv2dAttributes, type Conv2dRole, geometry, shape } from './shape.ts';

export const conv2d = defineOperator<Conv2dAttributes>()<'conv2d', Conv2dRole>({
  kind: 'conv2d',
  formula: 'y[f, oy, ox] = bias[f] + sum over c, ky, kx of w[f, c, ky, kx] x[c, oy s - p + ky d, ox s - p + kx d]',
  attributes,
  parameters: {
    weight: { kind: 'trained', decays: true },
    bias: { kind: 'trained', decays: false, optional: true },
  },
  inputs: 1,
  outputs: 1,
  shape,
  build: ({ inputs: [x], parameters: { weight, bias }, attributes, name }) => [
    build(x, weight!, bias, { ...attributes, name }),
  ],
  reference(given) {
    const { batch, values, weights, outputs, inputs } = given;
    const items = inputs.map(({ name, shape }) => ({ name, shape: shape.slice(1) }));
    const found = { ...geometry({ ...given, inputs: items }), batch };
    return [conv2dReference(found, values[0], weights.weight!, weights.bias, count(outputs[0]))];
  },
  folds: 'reference',
  onnx,
  kernels: [
    ...[conv2dPad, conv2dPhases, conv2dPhasesBackward, conv2dDirect, conv2dDirectFilterGradient, winogradFilter],
    ...[winogradFilterGradient, winogradGradient, winogradImage, winogradOutput, fusedCorrelation, fusedFilterGradient],
  ],
  checks: () => import('./cases.ts'),
  numbered: 'always',
  detail: ({ strides, pads, dilations, groups }, { weight }) => [
    weight!.slice(2).join(' x '),
    `stride ${sameNumber(strides)}`,
    ...(pads.some((pad) => pad > 0) ? [`pads ${sameNumber(pads)}`] : []),
    ...(dilations.some((d) => d > 1) ? [`dilation ${sameNumber(dilations)}`] : []),
    ...(groups > 1 ? [`${groups} groups`] : []),
  ],
});
