import { describe, expect, test } from 'vitest';
import { addressesIn } from '../../../lib/build/files/build-network.js';
import { nameOfUrl, redirected } from '../../../lib/build/files/fetch-file.js';
import { isOfThisMachineAlone } from '../../../lib/build/files/machine-addresses.js';

test.each([
  ['https://a/b/c.txt?x=y#z', 'c.txt'],
  ['https://a', '__unnamed__'],
  ['https://a/b/', 'b'],
  ['https://a/b%2Fc', 'c'],
  ['https://a/%C3%BC%0A', 'ü\n'],
])('the name of %s', (url, name) => {
  expect(nameOfUrl(new URL(url))).toBe(name);
});

test.each(['https://a/x%2F..', 'https://a/%00', 'https://a/%ff'])('%s has none', (url) => {
  expect(() => nameOfUrl(new URL(url))).toThrow('ADD of');
});

describe('redirected', () => {
  test.each([
    ['/x', 'https://a/b', 'https://a/x'],
    ['http://b/', 'http://a/', 'http://b/'],
    ['https://b/', 'http://a/', 'https://b/'],
  ])('to %s from %s', (location, from, wanted) => {
    expect(redirected(location, new URL(from)).href).toBe(wanted);
  });

  test.each([
    ['http://b/', 'https://a/'],
    ['file:///etc/passwd', 'http://a/'],
    ['data:,x', 'https://a/'],
    ['http://[', 'http://a/'],
  ])('not to %s from %s', (location, from) => {
    expect(() => redirected(location, new URL(from))).toThrow('a redirect leads to');
  });
});

test.each([
  ['127.0.0.2', true],
  ['::1', true],
  ['::ffff:127.0.0.1', true],
  ['0.0.0.0', true],
  ['169.254.169.254', true],
  ['168.63.129.16', true],
  ['::ffff:100.100.100.200', true],
  ['fd00:ec2:0::254', true],
  ['64:ff9b::a9fe:a9fe', true],
  ['64:ff9b:1::1', true],
  ['fd00::254', false],
  ['fe80::1', true],
  ['64:ff9b::7f00:1', true],
  ['2002:7f00:1::', true],
  ['::127.0.0.1', true],
  ['64:ff9b::c000:201', false],
  ['2002:c000:201::', false],
  ['10.0.0.1', false],
  ['192.0.2.1', false],
  ['2001:db8::1', false],
  ['example.org', false],
])('isOfThisMachineAlone(%s) is %s', (address, wanted) => {
  expect(isOfThisMachineAlone(address)).toBe(wanted);
});

test('the name of a URL is read in time that grows with its length alone', () => {
  expect(nameOfUrl(new URL(`http://a/${'/'.repeat(200_000)}x`))).toBe('x');
  expect(nameOfUrl(new URL(`http://a/x${'/'.repeat(200_000)}`))).toBe('x');
});

test('the addresses that getent(1) tells are those of all types of sockets, once each', () => {
  const lines = [
    '2001:db8::1     STREAM example.org',
    '2001:db8::1     DGRAM  ',
    '192.0.2.7       STREAM ',
    'fe80::1%eth0    STREAM ',
    'x',
    '',
  ];
  expect(addressesIn(lines.join('\n'))).toEqual(['2001:db8::1', '192.0.2.7']);
  expect(addressesIn('')).toEqual([]);
});
