/** What a node computes of constants alone, by the reference of the operator that reads it. */
import { withinLimit } from '../limits.ts';
import type { OnnxNode } from '../onnx/model.ts';
import { OnnxTensor } from '../onnx/tensor.ts';
import { describeNode } from '../operators/onnx/attributes.ts';
import type { ReadParameter, Surroundings } from '../operators/onnx/form.ts';
import { count } from '../operators/operator.ts';
import type { OperatorSet } from '../operators/registry.ts';
import type { Op } from './network.ts';
import { translate } from './onnx-operators.ts';

/** Products for one value: those of a filter or a row, the places of a window. */
function placesOf(op: Op, roles: readonly (readonly [string, ReadParameter])[]): number {
  const window = 'kernel' in op ? count(op.kernel as readonly number[]) : 1;
  return roles.reduce((most, [, { tensor }]) => Math.max(most, tensor.size / (tensor.dims[0] || 1)), window);
}

const isFloat = ({ dataType }: OnnxTensor) => /^b?float/.test(dataType);

/**
 * The node's outputs as tensors whose values are computed when they are first read; nothing where no operator of the set
 * folds it. Every operand is read as one item without a batch, so that the first dimension is any.
 *
 * @param spend is told of values and products before any is computed
 * @throws FrostlineError where its operator refuses the node
 */
export function foldedBy(
  source: OnnxNode,
  around: Surroundings,
  set: OperatorSet,
  spend: (work: number) => void,
): OnnxTensor[] | undefined {
  const owner = set.reads.get(source.domain === '' ? source.opType : `${source.domain}.${source.opType}`)?.owner;
  const operand = (value: string) => {
    const tensor = around.constants.tensor(value);
    return tensor && isFloat(tensor) ? tensor : undefined;
  };
  // Integers are shapes and axes: their arithmetic is the importer's.
  if (owner?.folds !== 'reference' || operand(source.inputs[0] ?? '') === undefined) return undefined;
  // Operators of images count a batch first, which a constant has as well.
  const lead = owner.onnx.images ? 1 : 0;
  const {
    op,
    inputs,
    parameters = {},
  } = translate(
    source,
    {
      ...around,
      lead,
      shapeOf: (value) => operand(value)?.dims.slice(lead) ?? [],
      isActivation: (value) => operand(value) !== undefined,
    },
    set,
  );
  const operator = set.operatorOf(op);
  const operands = inputs.map(operand);
  if (operator?.folds !== 'reference' || operands.includes(undefined)) return undefined;
  const tensors = operands as OnnxTensor[];
  const rank = tensors.reduce((most, { dims }) => Math.max(most, dims.length), 0);
  // Aligned from the right, as ONNX broadcasts.
  const shapes = tensors.map(({ dims }) => [...new Array<number>(rank - dims.length).fill(1), ...dims]);
  const batch = lead === 1 ? shapes[0][0] : 1;
  const roles = Object.entries(parameters).filter((one): one is [string, ReadParameter] => one[1] !== undefined);
  const given = {
    attributes: op,
    parameters: Object.fromEntries(roles.map(([role, { name, tensor }]) => [role, { name, shape: tensor.dims }])),
  };
  const items = tensors.map(({ name }, i) => ({ name, shape: shapes[i].slice(lead) }));
  const made = operator.shape({ ...given, inputs: items });
  const outputs = batch * made.reduce((sum, shape) => sum + count(shape), 0);
  withinLimit('constant-bytes', 4 * outputs, `${describeNode(source)} makes`);
  spend(outputs * placesOf(op, roles) + tensors.reduce((sum, { size }) => sum + size, 0));
  const values = () =>
    operator.reference({
      ...given,
      inputs: items.map(({ name, shape }) => ({ name, shape: [batch, ...shape] })),
      values: tensors.map((tensor) => tensor.toFloat32()),
      weights: Object.fromEntries(roles.map(([role, { tensor }]) => [role, tensor.toFloat32()])),
      batch,
      outputs: made.map((shape) => [batch, ...shape]),
    });
  return source.outputs.flatMap((name, i) => {
    if (name === '') return [];
    const dims = lead === 1 ? [batch, ...made[i]] : made[i];
    return [new OnnxTensor(name, dims, 'float32', () => Float32Array.from(values()[i]))];
  });
}
