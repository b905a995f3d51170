import { expect, test } from 'vitest';
import { parseHostName } from '../../../coordinator/ssh/host-name.ts';

test.each([
  ['walnut', { host: 'walnut' }],
  ['walnut.example.com:2222', { host: 'walnut.example.com', port: 2222 }],
  ['ann@walnut', { user: 'ann', host: 'walnut' }],
  ['ann@corp@walnut:22', { user: 'ann@corp', host: 'walnut', port: 22 }],
  ['127.0.0.1:2222', { host: '127.0.0.1', port: 2222 }],
  ['::1', { host: '::1' }],
  ['fe80::1%eth0', { host: 'fe80::1%eth0' }],
  ['[::1]', { host: '::1' }],
  ['[::1]:2222', { host: '::1', port: 2222 }],
  ['ssh://ann@walnut:2222/', { user: 'ann', host: 'walnut', port: 2222 }],
])('%s names a host', (text, name) => {
  expect(parseHostName(text)).toEqual(name);
});

test.each([
  '',
  '-oProxyCommand=id',
  '-V',
  'ann@-V',
  '-l@walnut',
  'walnut;id',
  '$(id)',
  'a b',
  'walnut\n',
  'walnut:0',
  'walnut:70000',
  '@walnut',
  'ann@',
  '[walnut',
])('%j is never taken for a host', text => {
  expect(() => parseHostName(text)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
});
