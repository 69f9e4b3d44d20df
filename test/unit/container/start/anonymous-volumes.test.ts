import { describe, expect, it } from 'vitest';
import { anonymousVolumes } from '../../../../lib/container/start/anonymous-volumes.js';

describe("an image's volumes", () => {
  it('are tidied, parents first, each once', () => {
    expect(anonymousVolumes(['/var/lib/x/', '/data/./in', '/data', '/data/../data'], [])).toEqual(['/data', '/data/in', '/var/lib/x']);
    expect(anonymousVolumes([], [])).toEqual([]);
  });

  it('give way to what the caller mounts there, or above', () => {
    const volumes = ['/data/', '/data/in/it', '/data2'];
    expect(anonymousVolumes(volumes, [{ target: '/data' }])).toEqual(['/data2']);
    expect(anonymousVolumes(volumes, [{ target: '/data/in/it/deep' }])).toEqual(['/data', '/data/in/it', '/data2']);
  });

  it.each(['/', 'data', '', '/..', '/a\0b'])('can not be %j', (volume) => {
    expect(() => anonymousVolumes([volume], [])).toThrow(expect.objectContaining({ name: 'ImageError' }));
  });

  it('are not without end', () => {
    const many = Array.from({ length: 257 }, (_, index) => `/v${index}`);
    expect(() => anonymousVolumes(many, [])).toThrow(/257 volumes/);
  });
});
