/**
 * `node scripts/api.mjs`: writes docs/api.md, every declaration that the built package exports, without comments.
 * `--check` compares instead, and fails where the API is another than the report says: a change of what others build
 * on is seen in review. Also fails for a type that an export mentions and the package does not export, and for an export
 * without a description.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const report = join(root, 'docs', 'api.md');

const program = ts.createProgram([join(dist, 'index.d.ts')], {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2023,
  skipLibCheck: true,
  types: ['node'],
});
const checker = program.getTypeChecker();
const resolved = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
const index = checker.getSymbolAtLocation(program.getSourceFile(join(dist, 'index.d.ts')));
const exported = checker.getExportsOfModule(index).toSorted((a, b) => (a.name < b.name ? -1 : 1));
const targets = new Set(exported.map(resolved));
const printer = ts.createPrinter({ removeComments: true });

const isPrivate = (node) =>
  ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword);

/** The declaration without private members, which are nobody else's. */
function text(declaration) {
  const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  return printer
    .printNode(ts.EmitHint.Unspecified, node, node.getSourceFile())
    .split('\n')
    .filter((line) => !/^\s*private /.test(line))
    .join('\n')
    .replaceAll(/^export (declare )?/gm, '');
}

/** Types of this package that a declaration mentions and nobody outside can name. */
const unnamed = new Map();
function visit(node) {
  if (isPrivate(node)) return;
  const name = ts.isTypeReferenceNode(node)
    ? node.typeName
    : ts.isExpressionWithTypeArguments(node)
      ? node.expression
      : ts.isImportTypeNode(node)
        ? node.qualifier
        : undefined;
  const found = name && checker.getSymbolAtLocation(name);
  const symbol = found && resolved(found);
  const file = symbol?.declarations?.[0]?.getSourceFile().fileName;
  const isOurs = file?.startsWith(dist) && !(symbol.flags & ts.SymbolFlags.TypeParameter);
  if (isOurs && !targets.has(symbol) && !unnamed.has(symbol)) {
    unnamed.set(symbol, relative(dist, file).replace(/\.d\.ts$/, '.ts'));
    for (const declaration of symbol.declarations) visit(declaration);
  }
  ts.forEachChild(node, visit);
}

const parts = exported.map((symbol) => {
  const declarations = resolved(symbol).declarations ?? [];
  for (const declaration of declarations) visit(declaration);
  return `## ${symbol.name}\n\n\`\`\`ts\n${declarations.map(text).join('\n')}\n\`\`\`\n`;
});
const written = `# What the package exports\n\nMade by \`npm run api\`, compared by \`npm test\`.\n\n${parts.join('\n')}`;

/** Exports without a description where an editor shows one. */
const undescribed = exported.filter((symbol) => {
  const { declarations = [] } = resolved(symbol);
  return !declarations.some((declaration) => {
    const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
    return ts.getJSDocCommentsAndTags(node).length > 0;
  });
});

let failed = false;
if (undescribed.length > 0) {
  failed = true;
  console.error('Exports have no comment that says what they are:');
  for (const symbol of undescribed) {
    const file = resolved(symbol).declarations[0].getSourceFile().fileName;
    console.error(`${symbol.name} (${relative(dist, file).replace(/\.d\.ts$/, '.ts')})`);
  }
}
if (unnamed.size > 0) {
  failed = true;
  console.error('Exports mention types that the package does not export. Add to src/index.ts:');
  for (const [{ name }, file] of unnamed) console.error(`export type { ${name} } from './${file}';`);
}
if (!process.argv.includes('--check')) writeFileSync(report, written);
else if (readFileSync(report, 'utf8') !== written) {
  failed = true;
  console.error('The API is another than docs/api.md says. If it is meant, `npm run api`, and a line in CHANGELOG.md.');
}
process.exit(failed ? 1 : 0);
