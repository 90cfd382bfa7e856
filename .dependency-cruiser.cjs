/** The allowed direction of imports: gpu <- kernels <- check <- graph <- operators <- models <- train <- tracking <- bench <- report <- cli; onnx, data and statistics are leaves. */
const order = [
  'gpu',
  'kernels',
  'check',
  'graph',
  'operators',
  'models',
  'train',
  'tracking',
  'bench',
  'report',
  'cli',
];

const upward = order.slice(0, -1).map((layer, i) => ({
  name: `${layer}-imports-no-later-layer`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: `^src/(${order.slice(i + 1).join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'leaves-import-nothing',
      comment:
        'src/onnx, src/data and src/statistics stand alone, but for arguments, errors, the generator, reading, writing and text',
      severity: 'error',
      from: { path: '^src/(onnx|data|statistics)/' },
      to: {
        path: '^src/',
        pathNot: ['^src/(arguments|errors|options|limits|random|read-files|files|text)\\.ts$', '^src/$1/'],
      },
    },
    {
      name: 'gpu-stands-below',
      severity: 'error',
      from: { path: '^src/(gpu|kernels|check|graph)/' },
      to: { path: '^src/(onnx|data|statistics)/' },
    },
    {
      name: 'one-host-interface',
      comment: 'networks and training reach Node through src/host.ts, src/files.ts and src/read-files.ts alone',
      severity: 'error',
      from: { path: '^src/(kernels|graph|operators|models|train)/' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'one-import-of-webgpu',
      comment: "src/gpu/node.ts is the only import of 'webgpu'",
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/gpu/node\\.ts$' },
      to: { path: 'node_modules/webgpu/' },
    },
    { name: 'src-imports-no-test', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench)/' } },
    {
      name: 'no-cycles',
      comment: 'types may refer to each other',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'default'] },
  },
};
