export { type Conv2dOptions, conv2d } from '../../operators/conv2d/graph.ts';
