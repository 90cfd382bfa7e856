/** The operators for the documentation, a row each: docs/operators.md. */
import type { AnyOperator, Attribute, Role } from './operator.ts';
import { ours } from './registry.ts';
import { rewrites } from './rewrites/index.ts';
import { decisionTrials } from './trials.ts';

const cell = (text: string) => text.replaceAll('|', '\\|');

const NUMBERED = { always: 'yes', never: 'no', unlessInput: 'not of the input' } as const;

function row({ kind, formula, inputs, outputs, attributes, parameters, onnx, folds, numbered }: AnyOperator): string {
  const described = Object.entries(attributes as Readonly<Record<string, Attribute<unknown>>>);
  const roles = Object.entries(parameters as Readonly<Record<string, Role>>);
  const role = ([name, { kind: what, ...rest }]: [string, Role]) =>
    `\`${name}\`${'optional' in rest ? '?' : ''} (${what}${'decays' in rest && !rest.decays ? ', without decay' : ''})`;
  return [
    `\`${kind}\``,
    formula,
    `${inputs} → ${outputs}`,
    described.map(([name, { doc }]) => `\`${name}\`: ${doc}`).join('<br>'),
    roles.map(role).join('<br>'),
    Object.keys(onnx.reads).join(', '),
    folds === 'reference' ? 'yes' : 'no',
    NUMBERED[numbered],
  ]
    .map(cell)
    .join(' | ');
}

/** Algorithms that an operator's results are chosen among: what one has in common in several results is one row. */
function algorithmRows(): string[] {
  const rows = new Map<string, string[]>();
  for (const { decision } of decisionTrials) {
    const [operator, ...result] = decision.purpose.split(' ');
    // Several in turn are told of one by one.
    for (const { name, how } of decision.algorithms.filter(({ parts }) => parts === undefined)) {
      const key = `\`${operator}\` | \`${name}\` | ${cell(how)}`;
      rows.set(key, [...(rows.get(key) ?? []), result.join(' ')]);
    }
  }
  return [...rows].map(([key, results]) => `| ${key} | ${[...new Set(results)].join(', ')} |`);
}

/** docs/operators.md. */
export function operatorTable(): string {
  const rows = ours.all.toSorted((a, b) => (a.kind < b.kind ? -1 : 1)).map((operator) => `| ${row(operator)} |`);
  return [
    '# Operators',
    '',
    'What a network may be made of, from ONNX or from tables; made from `src/operators` by',
    '`FROSTLINE_WRITE_DOCS=1 npx vitest run test/operators/documentation.test.ts`. Shapes are of one item: the batch comes first',
    'and stands in no attribute. An operator of ONNX may become another kind than the one in its row: `Add` with a constant is',
    '`affine`, an average pool over one place is `identity`. "Folded": of constants alone a constant is made at import. "Numbered": it counts',
    "among MATLAB's layers, by which freeze points are named.",
    '',
    '| kind | formula | inputs → outputs | attributes | parameters | read from ONNX | folded | numbered |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    `Patterns of several ONNX nodes that are read as one operator: ${[...new Set(rewrites.map(({ name }) => name))].join(', ')}.`,
    '',
    '## Algorithms',
    '',
    'Where an operator has several, `select` takes the quickest by estimate, or by `frostline tune`; `--algorithm',
    'OPERATOR=NAME` forces one.',
    '',
    '| operator | algorithm | how | results |',
    '| --- | --- | --- | --- |',
    ...algorithmRows(),
    '',
  ].join('\n');
}
