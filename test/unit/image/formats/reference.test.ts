import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatReference, parseReference } from '../../../../lib/image/formats/reference.js';
import { rounds } from '../../../fixtures/rounds.js';

const hex = 'a'.repeat(64);
const invalid = expect.objectContaining({ code: 'ERR_INVALID_OPTION' });

describe('names of registries, as docker reads them', () => {
  it.each([
    ['alpine', 'docker.io/library/alpine:latest'],
    ['alpine:3', 'docker.io/library/alpine:3'],
    ['user/name', 'docker.io/user/name:latest'],
    ['docker.io/alpine', 'docker.io/library/alpine:latest'],
    ['index.docker.io/library/alpine', 'docker.io/library/alpine:latest'],
    ['localhost/name', 'localhost/name:latest'],
    ['localhost:5000/a/b/c:v1', 'localhost:5000/a/b/c:v1'],
    ['Host/name', 'Host/name:latest'],
    ['127.0.0.1:5000/name', '127.0.0.1:5000/name:latest'],
    ['[::1]:5000/name:v1', '[::1]:5000/name:v1'],
    ['[2001:db8::1]/name', '[2001:db8::1]/name:latest'],
    [`alpine@sha256:${hex}`, `docker.io/library/alpine@sha256:${hex}`],
    [`quay.example/a/b:v1@sha256:${hex}`, `quay.example/a/b:v1@sha256:${hex}`],
    ['host/name', 'docker.io/host/name:latest'],
    ['dir', 'docker.io/library/dir:latest'],
    ['a__b--c.d_e', 'docker.io/library/a__b--c.d_e:latest'],
    ['oci:5000/name', 'oci:5000/name:latest'],
  ])('%s is %s', (text, full) => {
    expect(formatReference(parseReference(text))).toBe(full);
    expect(parseReference(full)).toEqual(parseReference(text));
  });

  it.each([
    ['./rootfs', "a folder is named 'dir:./rootfs'"],
    ['../rootfs', "a folder is named 'dir:../rootfs'"],
    ['/srv/rootfs', "a folder is named 'dir:/srv/rootfs'"],
    ['sha256:abc', 'a digest is given in full'],
  ])('%s is told how to be named', (text, words) => {
    expect(() => parseReference(text)).toThrow(words);
  });

  it.each([
    '',
    ' ',
    'A',
    'a//b',
    '/a',
    'a/',
    '-a',
    'a-',
    'a..b',
    'a___b',
    'a:',
    'a:-b',
    `a:${'b'.repeat(129)}`,
    'a@sha256:1234',
    hex,
    'docker://alpine',
    'oci-archive:a.tar',
    'containers-storage:alpine',
    'docker-daemon:alpine:latest',
    `a@md5:${hex}`,
    `a@sha256:${hex.toUpperCase()}`,
    '[::1/a',
    '[:::1]/a',
    '[fe80::1%eth0]/a',
    'h.x:0/a',
    'h.x:70000/a',
    'h_.x/a',
    'a\0b',
    'a\n',
    '../a',
    'dir:',
    'oci:',
    'oci::tag',
    'oci:path:',
    `x.y/${'a'.repeat(256)}`,
  ])('refuses %j', (text) => expect(() => parseReference(text)).toThrow(invalid));
});

describe('local forms', () => {
  it.each([
    ['host', { kind: 'host' }],
    ['dir:/a b:c', { kind: 'dir', path: '/a b:c' }],
    ['oci:/images/debian:12', { kind: 'oci', location: '/images/debian:12' }],
    ['oci:relative', { kind: 'oci', location: 'relative' }],
    ['oci:/a:b/c', { kind: 'oci', location: '/a:b/c' }],
    ['oci:/a:b/c:tag', { kind: 'oci', location: '/a:b/c:tag' }],
    ['oci:./5000/name', { kind: 'oci', location: './5000/name' }],
    ['docker-archive:/f.tar', { kind: 'docker-archive', path: '/f.tar' }],
    [`sha256:${hex}`, { kind: 'digest', digest: `sha256:${hex}` }],
  ])('%s', (text, parsed) => {
    expect(parseReference(text)).toEqual(parsed);
    expect(formatReference(parseReference(text))).toBe(text);
  });
});

it('never fails in any other way, and what it reads it reads again', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...'ab/:@.-_[]05', 'oci:', 'dir:', 'sha256:', 'localhost') }));
  fc.assert(
    fc.property(text, (source) => {
      let parsed: ReturnType<typeof parseReference>;
      try {
        parsed = parseReference(source);
      } catch (error) {
        expect(error).toEqual(invalid);
        return;
      }
      expect(parseReference(formatReference(parsed))).toEqual(parsed);
    }),
    { numRuns: rounds(500, 20_000) },
  );
});
