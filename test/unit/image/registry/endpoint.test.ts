import { describe, expect, it } from 'vitest';
import { parseRegistryName } from '../../../../lib/image/formats/reference.js';
import { endpointOf, isLoopback, mirrorOf } from '../../../../lib/image/registry/endpoint.js';

const alpine = parseRegistryName('alpine');

describe('endpointOf', () => {
  it.each([
    ['alpine', 'registry-1.docker.io', 'library/alpine'],
    ['localhost:5000/app', 'localhost:5000', 'app'],
    ['[::1]:5000/a/b', '[::1]:5000', 'a/b'],
    ['registry.example/a', 'registry.example', 'a'],
  ])('%s', (name, host, repository) => expect(endpointOf(parseRegistryName(name))).toMatchObject({ host, repository }));
});

describe('mirrorOf', () => {
  it.each([
    ['mirror.example', 'mirror.example', 'library/alpine'],
    ['localhost:5000/docker', 'localhost:5000', 'docker/library/alpine'],
    ['[::1]:5000/a/b', '[::1]:5000', 'a/b/library/alpine'],
  ])('%s', (mirror, host, repository) => expect(mirrorOf(mirror, alpine)).toEqual({ host, registry: host, repository }));

  it.each(['', 'mirror', 'https://mirror.example', 'mirror.example/', 'mirror.example/A'])('refuses %j', (mirror) =>
    expect(() => mirrorOf(mirror, alpine)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining('mirrors') }),
    ),
  );
});

describe('isLoopback', () => {
  it.each(['localhost', 'a.localhost', '127.0.0.1', '127.1.2.3', '[::1]', '::1', '[::ffff:127.0.0.1]'])('%s', (name) =>
    expect(isLoopback(name)).toBe(true),
  );
  it.each(['localhost.example', '128.0.0.1', '10.0.0.1', '[::2]', 'registry.example', '127.0.0.1.example', '0.0.0.0'])('not %s', (name) =>
    expect(isLoopback(name)).toBe(false),
  );
});
