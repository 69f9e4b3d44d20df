import { describe, expect, it } from 'vitest';
import { anonymousVolumes } from '../../../../lib/container/start/anonymous-volumes.js';

describe("an image's volumes", () => {
  it('are tidied, parents first, each once', () => {
    expect(anonymousVolumes(['/var/lib/x/', '/data/./in', '/data', '/data/../data'], [])).toEqual(['/data', '/data/in', '/var/lib/x']);
    expect(anonymousVolumes([], [])).toEqual([]);
  });

  const volumes = ['/data/', '/data/in/it', '/data2'];

  it('give way to what the caller mounts there, and lie in what is mounted above', () => {
    const propagation = 'rprivate';
    expect(anonymousVolumes(volumes, [{ target: '/data', propagation }])).toEqual(['/data/in/it', '/data2']);
    expect(anonymousVolumes(volumes, [{ target: '/data/in/it/deep', propagation }])).toEqual(['/data', '/data/in/it', '/data2']);
  });

  it('are refused in what is shared with the host, unless something else lies between', () => {
    const shared = { target: '/data', propagation: 'rshared' } as const;
    expect(() => anonymousVolumes(volumes, [shared])).toThrow(/^the mount on \/data is shared .*\/data\/in\/it/);
    for (const target of ['/data/in', '/data/in/it']) {
      expect(anonymousVolumes(volumes, [shared, { target, propagation: 'rslave' }])).toContain('/data2');
    }
  });

  it.each(['/', 'data', '', '/..', '/a\0b'])('can not be %j', (volume) => {
    expect(() => anonymousVolumes([volume], [])).toThrow(expect.objectContaining({ name: 'ImageError' }));
  });

  it('are not without end', () => {
    const many = Array.from({ length: 257 }, (_, index) => `/v${index}`);
    expect(() => anonymousVolumes(many, [])).toThrow(/257 volumes/);
  });
});
