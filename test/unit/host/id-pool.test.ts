import { describe, expect, it } from 'vitest';
import { idPool, RANGE } from '../../../lib/host/id-pool.js';

const files = (uid: string, gid = uid) => ({ uid: { path: '/etc/subuid', text: uid }, gid: { path: '/etc/subgid', text: gid } });

describe('the pool of ids', () => {
  it("is nacelle's ranges before containers', cut into whole ones", () => {
    const text = `user:100000:65536\ncontainers:1000000:131072\nnacelle:2000000:${3 * RANGE + 5}\n`;
    expect(idPool(files(text)).starts).toEqual([2_000_000, 2_000_000 + RANGE, 2_000_000 + 2 * RANGE]);
    expect(idPool(files(text.replace('nacelle', 'other'))).starts).toEqual([1_000_000, 1_000_000 + RANGE]);
    expect(idPool(files(text)).name).toBe('the ranges of nacelle in /etc/subuid and /etc/subgid');
  });

  it('has ranges that are the same for users and groups alone', () => {
    expect(idPool(files(`nacelle:1000000:${2 * RANGE}`, `nacelle:${1_000_000 + RANGE}:${RANGE}`)).starts).toEqual([1_000_000 + RANGE]);
    expect(() => idPool(files('nacelle:1000000:65536', 'nacelle:1000001:65536'))).toThrow(/no 65536 ids in common/);
    expect(() => idPool(files('nacelle:1000000:65536', ''))).toThrow(/no 65536 ids in common/);
    expect(() => idPool(files('nacelle:1000000:65535'))).toThrow(/no 65536 ids in common/);
  });

  it('is what systemd leaves free without such lines, less what others have', () => {
    const { starts, name } = idPool(files('', ''));
    expect(starts).toHaveLength(4096);
    expect(starts[0]).toBe(1_879_048_192);
    expect((starts.at(-1) ?? 0) + RANGE).toBe(2 ** 31);
    expect(name).toBe('the ids from 1879048192 to 2147483647');
    const others = idPool(files('a:1879048192:1', `b:${1_879_048_192 + 2 * RANGE - 1}:2`));
    expect(others.starts).toHaveLength(4093);
    expect(others.starts[0]).toBe(1_879_048_192 + 3 * RANGE);
  });

  it.each(['nacelle:x:1', 'nacelle:1', 'nacelle:0:65536', 'nacelle:5:0', 'nacelle:4294967295:65536', 'nacelle:-1:65536'])(
    'refuses the line %s with its number, which only those of others may have',
    (line) => {
      const text = `# comment\n\nbroken\n${line}\n`;
      expect(() => idPool(files(text, ''))).toThrow(`/etc/subuid, line 4, is no range: ${JSON.stringify(line)}`);
      expect(() => idPool(files('', text))).toThrow(`/etc/subgid, line 4`);
      expect(idPool(files(text.replace('nacelle', 'other'), '')).starts.length).toBeGreaterThan(4000);
    },
  );
});
