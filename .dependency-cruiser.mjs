// Import directions: protocol knows nobody, the two daemons never meet, core/ stays pure.
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

export default {
  forbidden: [
    rule('no-cycles', 'a cycle hides which part depends on which', {}, { circular: true }),
    rule(
      'protocol-is-a-leaf',
      'the wire imports neither side',
      { path: '^protocol/' },
      { path: '^(coordinator|node-agent|test)/' },
    ),
    rule(
      'protocol-needs-zod-alone',
      'the wire is schemas and names; plumbing lives in protocol/daemon',
      { path: '^protocol/', pathNot: '^protocol/daemon/' },
      { dependencyTypes: ['npm', 'npm-dev', 'core'], pathNot: 'node_modules/zod/' },
    ),
    rule(
      'protocol-never-uses-daemon',
      'plumbing sits on the wire, not under it',
      { path: '^protocol/[^/]+$' },
      { path: '^protocol/daemon/' },
    ),
    rule(
      'sides-never-meet',
      'a node-agent and a coordinator speak over NATS alone',
      { path: '^node-agent/' },
      { path: '^coordinator/' },
    ),
    rule(
      'sides-never-meet-either',
      'a node-agent and a coordinator speak over NATS alone',
      { path: '^coordinator/' },
      { path: '^node-agent/' },
    ),
    rule(
      'core-is-pure',
      'core/ imports its own folder and the wire, no node:*, no packages but pure ones',
      { path: '^(coordinator|node-agent)/core/' },
      {
        pathNot: '^(coordinator/core/|node-agent/core/|protocol/[^/]+$|node_modules/(@types/)?(zod|semver)/)',
      },
    ),
    rule(
      'doors-use-operations',
      'a door reaches the system through operations.ts alone; ccli is handed its SSH by its main.ts',
      { path: '^coordinator/(http|mcp|cli)/', pathNot: '^coordinator/cli/main\\.ts$' },
      { path: '^coordinator/(dispatcher|store|bus|core|ssh/(?!(ssh|settings)\\.ts))' },
    ),
    rule(
      'ssh-knows-no-fleet',
      'SSH is a way to a host, whatever it is used for',
      { path: '^coordinator/ssh/' },
      { path: '^coordinator/(?!ssh/)' },
    ),
    rule(
      'streams-know-no-door',
      'following a task works from a connection and the operations alone, here and far away',
      { path: '^coordinator/(stream|structured)/' },
      { path: '^coordinator/(http|mcp|cli|dispatcher|store|bus|mirror|core)' },
    ),
    rule(
      'no-test-in-source',
      'the product never imports its tests',
      { path: '^(protocol|node-agent|coordinator|deploy)/' },
      { path: '^test/' },
    ),
    rule(
      'no-undeclared',
      'every package used is declared',
      {},
      { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    ),
    rule('no-unresolvable', 'every import leads somewhere', {}, { couldNotResolve: true }),
    rule(
      'no-dev-in-product',
      'a dev dependency is not there in production',
      { path: '^(protocol|node-agent|coordinator)/' },
      { dependencyTypes: ['npm-dev'] },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  },
};
