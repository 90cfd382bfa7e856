/**
 * The element types of a graph's values. A schema says which types an input takes and which of them must be equal; a node
 * that breaks it is refused: another runtime would not read it, and the numbers would be another's here.
 */
import { type DataType, dataTypeOf } from '../../onnx/data-types.ts';
import type { OnnxGraph, OnnxNode } from '../../onnx/model.ts';
import type { OnnxTensor } from '../../onnx/tensor.ts';
import { attribute, castsTo } from './attributes.ts';
import { refuse } from './reading.ts';
import { type Formal, schemaOf } from './schema-table.ts';

/** Outputs whose type an attribute gives. */
const told: Readonly<
  Record<string, (node: OnnxNode, inputs: readonly (DataType | undefined)[]) => DataType | undefined>
> = {
  Cast: (node) => dataTypeOf(castsTo(node) ?? 0),
  Constant: ({ attributes }) => {
    const value = attributes.get('value');
    if (value?.type === 'tensor') return value.value.dataType;
    const [name] = attributes.keys();
    return { value_float: 'float32', value_int: 'int64', value_string: 'string' }[(name ?? '').replace(/s$/, '')] as
      | DataType
      | undefined;
  },
  ConstantOfShape: (node) => attribute(node, 'value', 'tensor')?.dataType ?? 'float32',
  DequantizeLinear: (node, [, scale]) => dataTypeOf(attribute(node, 'output_dtype', 'int') ?? 0) ?? scale,
  EyeLike: (node, [input]) => dataTypeOf(attribute(node, 'dtype', 'int') ?? 0) ?? input,
};

/** What is known of types, node by node in the file's order. */
export class ElementTypes {
  private readonly known = new Map<string, DataType>();

  constructor({ inputs, initializers }: OnnxGraph) {
    for (const { name, dataType } of inputs) this.put(name, dataType);
    for (const [name, tensor] of initializers) this.define(tensor, name);
  }

  /** Adds a constant. */
  define({ dataType, name: own }: OnnxTensor, name = own): void {
    this.put(name, dataType);
  }

  of(value: string): DataType | undefined {
    return this.known.get(value);
  }

  /**
   * Holds the node's inputs to its schema, and takes note of what its outputs are. A type that is not known is none that is
   * refused; nor is a node without a schema.
   *
   * @throws FrostlineError naming the node, the values and their types, and what the schema asks
   */
  add(node: OnnxNode, opset: number): void {
    const schema = node.domain === '' ? schemaOf(node.opType, opset) : undefined;
    if (schema === undefined) {
      for (const output of node.outputs) this.put(output, undefined);
      return;
    }
    const inputs = node.inputs.map((value) => this.known.get(value));
    const bound = new Map<string, { readonly type: DataType; readonly value: string }>();
    for (const [i, value] of node.inputs.entries()) {
      const type = inputs[i];
      if (type === undefined) continue;
      const { variable, types } = at(schema.inputs, i);
      if (!types.has(type)) {
        const taken = [...types].join(', ');
        refuse(
          node,
          `reads '${value}' of ${type} as its input ${i + 1}`,
          `Operator set ${opset} takes ${taken} there: put a Cast before it, or export the model again.`,
        );
      }
      if (variable === undefined) continue;
      const other = bound.get(variable);
      if (other !== undefined && other.type !== type) {
        refuse(
          node,
          `reads '${other.value}' of ${other.type} and '${value}' of ${type}`,
          `Operator set ${opset} asks for one type of both: put a Cast before it, or export the model again.`,
        );
      }
      bound.set(variable, { type, value });
    }
    for (const [i, output] of node.outputs.entries()) {
      const { variable, types } = at(schema.outputs, i);
      const alone = types.size === 1 ? [...types][0] : undefined;
      const own = told[node.opType];
      this.put(output, own === undefined ? (bound.get(variable ?? '')?.type ?? alone) : own(node, inputs));
    }
  }

  private put(value: string, type: DataType | undefined): void {
    if (value === '' || type === undefined) this.known.delete(value);
    else this.known.set(value, type);
  }
}

/** The last one stands for all that follow. */
const at = (formals: readonly Formal[], i: number): Formal => formals[Math.min(i, formals.length - 1)];
