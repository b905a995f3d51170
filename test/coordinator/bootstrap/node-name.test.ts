import { expect, test } from 'vitest';
import { nodeNameOf } from '../../../coordinator/bootstrap/node-name.ts';

test.each([
  ['walnut', 'anything', 'walnut'],
  ['operator@Walnut.lan', 'anything', 'walnut'],
  ['gpu_01.example.org', 'anything', 'gpu_01'],
  ['10.0.0.7', 'Ironwood.lan', 'ironwood'],
  ['root@::1', 'ironwood', 'ironwood'],
  ['localhost', 'desk', 'desk'],
  ['10.0.0.7', '---', 'node'],
])('%s, which calls itself %s, is the node %s', (host, hostname, node) => {
  expect(nodeNameOf(host, hostname)).toBe(node);
});
