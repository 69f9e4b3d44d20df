import { expect, it } from 'vitest';
import { isInNoProxy } from '../../../../lib/image/registry/no-proxy.js';

it.each([
  ['10.1.2.3', '10.0.0.0/8', true],
  ['11.1.2.3', '10.0.0.0/8', false],
  ['10.1.2.3', 'example.org, 192.168.0.0/16 10.0.0.0/8', true],
  ['[fd00::1]', 'fd00::/8', true],
  ['[fe80::1]', 'fd00::/8', false],
  ['10.1.2.3', '::/0', false],
  ['10.1.2.3', '10.1.2.3', true],
  ['10.1.2.3:8080', '10.1.2.3:8080', true],
  ['10.1.2.3', '10.1.2.3:8080', false],
  ['[fd00::1]', 'FD00:0::1', true],
  ['[fd00::1]:443', '[fd00::1]:443', true],
  ['10.1.2.3', '.3', false],
  ['registry.example', '10.0.0.0/8,registry.example', true],
  ['a.registry.example', 'Registry.Example', true],
  ['otherregistry.example', 'registry.example', false],
  ['a.registry.example', '.registry.example', true],
  ['registry.example', '.registry.example', false],
  ['a.registry.example', '*.registry.example', true],
  ['registry.example', 'registry.example:80', false],
  ['registry.example', 'registry.example:443', true],
  ['registry.example', '*', true],
  ['10.1.2.3', '*', true],
  ['10.1.2.3', '', false],
])('%s is in %j: %s', (host, list, expected) => {
  const url = new URL(`https://${host}/`);
  expect(isInNoProxy(url, { NO_PROXY: list })).toBe(expected);
  expect(isInNoProxy(url, { no_proxy: list, NO_PROXY: '' })).toBe(expected);
});
