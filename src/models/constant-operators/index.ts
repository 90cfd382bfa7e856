/** All operators that constants are computed with, by the name that ONNX has for them. */
import { withinLimit } from '../../limits.ts';
import { type DataType, dataTypeInfo } from '../../onnx/data-types.ts';
import { elementCount, OnnxTensor } from '../../onnx/tensor.ts';
import { describeNode } from '../../operators/onnx/attributes.ts';
import { refuse } from '../../operators/onnx/reading.ts';
import { einsum } from './einsum.ts';
import { elementwise } from './elementwise.ts';
import { making } from './make.ts';
import { movedData, movements, tensorConcat } from './movement.ts';
import type { Computed, ConstantOperator, Operands } from './operator.ts';
import { operand } from './operator.ts';
import { reducing } from './reduce.ts';
import { selecting, selections } from './select.ts';

const moving: Readonly<Record<string, ConstantOperator>> = Object.fromEntries(
  Object.entries({ ...movements, ...selections }).map(([name, movement]): [string, ConstantOperator] => [
    name,
    (operands) => {
      const x = operand(operands, 0);
      return movement(operands, x.dims).map((moved) => ({
        dims: moved.dims,
        dataType: x.dataType,
        values: () => movedData(x.data, moved),
      }));
    },
  ]),
);

const table: ReadonlyMap<string, ConstantOperator> = new Map(
  Object.entries({
    ...elementwise,
    ...moving,
    ...reducing,
    ...making,
    ...selecting,
    Concat: tensorConcat,
    Einsum: einsum,
  }),
);

/** Their names, for the documentation. */
export const constantOperators: readonly string[] = [...table.keys()].sort();

/** Values that are computed at once: sizes, axes, scales. Steps of more may be read from a file again and again. */
const small = 4096;
/** Steps that wait for each other before one of them is computed: each is a call within a call. */
const deepest = 100;

const depths = new WeakMap<OnnxTensor, number>();

/**
 * What a node makes of constants alone; undefined where no operator here is of its name.
 *
 * @param spend is told of values and products before any is computed
 */
export function computed(operands: Operands, spend: (work: number) => void): readonly OnnxTensor[] | undefined {
  const { node, inputs } = operands;
  const operator = table.get(node.opType);
  if (node.domain !== '' || operator === undefined) return undefined;
  const depth = 1 + inputs.reduce((most, tensor) => Math.max(most, (tensor && depths.get(tensor)) ?? 0), 0);
  return operator(operands)
    .slice(0, node.outputs.length)
    .map((result, i) => {
      const count = elementCount(result.dims);
      if (result.dims.some((size) => !(size >= 0)))
        refuse(node, `makes the shape [${result.dims}]`, 'Sizes of 0 or more are expected.');
      withinLimit('constant-bytes', count * bytesEach(result.dataType), `${describeNode(node)} makes`);
      spend(count + (result.work ?? 0));
      return tensorOf(node.outputs[i], result, count, depth);
    });
}

/** A text is a reference to it. */
const bytesEach = (type: DataType) => dataTypeInfo(type).array?.BYTES_PER_ELEMENT ?? 8;

function tensorOf(name: string, { dims, dataType, values }: Computed, count: number, depth: number): OnnxTensor {
  if (count <= small || depth > deepest) return OnnxTensor.of(name, dims, dataType, values());
  const tensor = new OnnxTensor(name, dims, dataType, values);
  depths.set(tensor, depth);
  return tensor;
}
