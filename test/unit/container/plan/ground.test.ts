import { describe, expect, it } from 'vitest';
import { groundOf, groundOfTree, type Place } from '../../../../lib/container/plan/ground.js';

const ROOT = 0;
const PROC = 1;
const kernel: Place[] = [
  { path: '/', mount: ROOT },
  { path: '/proc', mount: PROC },
];
const DATA = 2;
const TMPFS = 3;
const INNER = 4;
const data: Place = { path: '/data', mount: DATA };
const tmpfs = (path: string): Place => ({ path, mount: TMPFS, own: true });
const inner: Place = { path: '/data/inner', mount: INNER };

const holders = (places: readonly Place[], ...paths: string[]) => groundOf([...kernel, ...places], ...paths).on;

describe('the mount that holds a path', () => {
  it.each([
    ['/', ROOT],
    ['/database', ROOT],
    ['/data', DATA],
    ['/data/sub', DATA],
    ['/data/inner/x', INNER],
    ['/data/innermost', DATA],
    ['/proc/self', PROC],
    ['/data/inner/..//./x/', DATA],
    ['/../data/../etc', ROOT],
  ])('is found by its name alone: %s', (path, mount) => {
    expect(holders([data, inner], path)).toEqual([mount]);
  });

  it('is the last one that covers it', () => {
    expect(holders([inner, data], '/data/inner/x')).toEqual([DATA]);
    expect(holders([data, { path: '/data', mount: 9 }], '/data/x')).toEqual([9]);
  });

  it('is the one that a tmpfs lies on, for that is as much the container’s own', () => {
    expect(holders([tmpfs('/run')], '/run/x')).toEqual([ROOT]);
    expect(holders([data, tmpfs('/data/tmp')], '/data/tmp/x')).toEqual([DATA]);
    expect(holders([data, tmpfs('/data')], '/data/x')).toEqual([ROOT]);
    expect(holders([tmpfs('/run'), { path: '/run/bind', mount: 9 }], '/run/bind', '/run')).toEqual([9, ROOT]);
  });

  it('is told from all others but those', () => {
    expect(groundOf([...kernel, data, tmpfs('/run')], '/etc/passwd', '/etc/group')).toEqual({ on: [ROOT], mounts: [ROOT, PROC, DATA] });
  });
});

it('a tree goes into the mounts that are at its path and below', () => {
  const on = (path: string) => groundOfTree([...kernel, data, inner, tmpfs('/srv/tmp')], path).on;
  expect(on('/data')).toEqual([ROOT, DATA, INNER]);
  expect(on('/data/inner')).toEqual([DATA, INNER]);
  expect(on('/data/inner/x')).toEqual([INNER]);
  expect(on('/srv')).toEqual([ROOT]);
  expect(on('/srv/tmp/x')).toEqual([ROOT]);
});
