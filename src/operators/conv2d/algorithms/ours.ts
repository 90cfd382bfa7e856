/** The algorithms of a convolution beside the plain one, implicit-gemm, in the directions that they serve: a line for each. */
export { direct } from './direct.ts';
export { implicitGemmInParts } from './implicit-gemm.ts';
export { pointwise } from './pointwise.ts';
export { winograd } from './winograd.ts';
export { winogradFused } from './winograd-fused.ts';
