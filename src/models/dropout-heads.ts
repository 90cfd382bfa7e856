/**
 * torch exports AlexNet and VGG for inference: their dropout is gone from the file. Training needs it back, at the
 * places where torchvision has it: before fc6 and fc7 in AlexNet, after the ReLUs of fc6 and fc7 in VGG.
 */
import type { Network, Node } from './network.ts';
import { count, type Shape } from './shapes.ts';

const ratio = 0.5;
/** Convolutions of VGG11, 13, 16 and 19. */
const vggConvolutions = [8, 10, 13, 16];

/** The nodes with dropout put back, when they are AlexNet or VGG without any; the same nodes otherwise. */
export function restoreDropout(
  nodes: readonly Node[],
  parameters: Network['parameters'],
  shapes: ReadonlyMap<string, Shape>,
): readonly Node[] {
  if (nodes.some((node) => node.op.kind === 'dropout')) return nodes;
  const learnable = nodes.filter((node) => node.parameters['weight'] !== undefined);
  const convolutions = learnable.slice(0, -3);
  const head = learnable.slice(-3);
  const kernels = convolutions.map((node) => parameters.get(node.parameters['weight']!)!.shape.slice(2).join('x'));
  // timm writes fully connected layers as convolutions that leave one pixel.
  const isFlat = (node: Node) => count((shapes.get(node.outputs[0]) ?? []).slice(1)) === 1;
  if (convolutions.some((node) => node.op.kind !== 'conv2d' || isFlat(node)) || !head.every(isFlat)) return nodes;
  if (convolutions.length === 5 && kernels[0] === '11x11') {
    return insertAfter(
      nodes,
      head.slice(0, 2).map((node, i) => ({ value: node.inputs[0], name: `drop${6 + i}` })),
    );
  }
  if (vggConvolutions.includes(convolutions.length) && kernels.every((kernel) => kernel === '3x3')) {
    const relus = head
      .slice(0, 2)
      .map((node) => nodes.find(({ op, inputs }) => op.kind === 'relu' && inputs[0] === node.outputs[0]));
    if (relus.some((relu) => relu === undefined)) return nodes;
    return insertAfter(
      nodes,
      relus.map((relu, i) => ({ value: relu!.outputs[0], name: `drop${6 + i}` })),
    );
  }
  return nodes;
}

function insertAfter(nodes: readonly Node[], places: readonly { value: string; name: string }[]): Node[] {
  const dropped = new Map(places.map(({ value, name }) => [value, `${value}/${name}`]));
  return nodes.flatMap((node) => {
    const moved: Node = { ...node, inputs: node.inputs.map((value) => dropped.get(value) ?? value) };
    const place = places.find(({ value }) => value === node.outputs[0]);
    if (place === undefined) return [moved];
    const { name, value } = place;
    return [
      moved,
      { op: { kind: 'dropout', ratio }, name, inputs: [value], outputs: [dropped.get(value)!], parameters: {} },
    ];
  });
}
