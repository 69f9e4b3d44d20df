import { expect, it } from 'vitest';
import { isInNoProxy } from '../../../../lib/image/registry/no-proxy.js';

it.each([
  ['10.1.2.3', '10.0.0.0/8', true],
  ['11.1.2.3', '10.0.0.0/8', false],
  ['10.1.2.3', 'example.org, 192.168.0.0/16 10.0.0.0/8', true],
  ['[fd00::1]', 'fd00::/8', true],
  ['[fe80::1]', 'fd00::/8', false],
  ['10.1.2.3', '::/0', false],
  // names are compared by undici
  ['registry.example', '10.0.0.0/8,registry.example', false],
  ['10.1.2.3', '', false],
])('%s is in %j: %s', (host, list, expected) => {
  expect(isInNoProxy(host, { NO_PROXY: list })).toBe(expected);
  expect(isInNoProxy(host, { no_proxy: list, NO_PROXY: '' })).toBe(expected);
});
