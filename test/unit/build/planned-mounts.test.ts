import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plannedMounts, requireOwners, shapeOf } from '../../../lib/build/mounts/planned-mounts.js';
import { rounds, seed } from '../../fixtures/rounds.js';

const plan = (texts: readonly string[], workingDir = '/w') => plannedMounts(texts, { expand: (word) => word, workingDir });

describe('plannedMounts', () => {
  test.each<[string, object]>([
    ['target=x/../y', { type: 'bind', from: '', source: '', target: '/w/y', readOnly: true }],
    ['type=cache,target=/c/', { id: '/c/', target: '/c', sharing: 'shared', mode: 0o755, uid: 0, gid: 0 }],
    ['type=cache,target=c,from=scratch', { id: 'c', target: '/w/c', from: '' }],
    ['type=secret,id=a/b', { id: 'a/b', target: '/run/secrets/b', env: null, mode: 0o400 }],
    ['type=secret,target=/x/token', { id: 'token', target: '/x/token' }],
    ['type=secret,id=a,env=', { id: 'a', target: null, env: 'a' }],
    ['type=secret,id=a,env=X,target=t', { target: '/w/t', env: 'X' }],
    ['type=ssh', { id: 'default', target: '/run/buildkit/ssh_agent.0', mode: 0o600 }],
  ])('%s', (text, wanted) => {
    expect(plan([text])[0]).toMatchObject(wanted);
  });

  test.each([
    ['type=secret,id=..'],
    ['type=secret,id=a,env==b'],
    ['target=..'],
    ['target=/sys/x'],
    ['target=/a/../proc'],
    ['type=tmpfs', '/'],
  ])('refuses %s', (text, workingDir = '/w') => {
    expect(() => plan([text], workingDir)).toThrow();
  });

  test('no target is above the root, in the kernel’s own folders, or written in two ways', () => {
    const name = fc.constantFrom('..', '.', '', 'proc', 'sys', 'dev', 'a', 'b b');
    const path = fc.array(name, { minLength: 1, maxLength: 6 }).map((names) => names.join('/'));
    fc.assert(
      fc.property(path, path, (workingDir, target) => {
        try {
          const [mount] = plan([`type=tmpfs,target=${target}`], `/${workingDir}`);
          expect(mount?.target).toMatch(/^(\/(?!\.{0,2}(\/|$))[^/]+)+$/);
          expect(mount?.target).not.toMatch(/^\/(proc|sys)(\/|$)|^\/dev$/);
        } catch (error) {
          expect(error).toMatchObject({ message: expect.stringContaining('invalid mount target') });
        }
      }),
      { seed, numRuns: rounds(500, 20_000) },
    );
  });
});

test.each(['bind,target=x', 'cache,target=x', 'ssh'])('requireOwners refuses type=%s in a user namespace of its own', (text) => {
  const mounts = plan(['type=tmpfs,target=t', 'type=secret,id=s', `type=${text}`]);
  expect(() => requireOwners(mounts, { userns: 'auto' })).toThrow("not supported with the option userns: 'auto'");
  requireOwners(mounts, { userns: 'host' });
  requireOwners(mounts.slice(0, 2), { userns: 'auto' });
});

test('shapeOf tells mounts apart by what a program sees, and not by how a cache is shared', () => {
  const shape = (text: string, namespace = '') => shapeOf(plan([text])[0] ?? expect.fail('no mount'), namespace);
  for (const type of ['cache,target=/c', 'secret,id=a', 'ssh']) expect(shape(`type=${type}`, 'other')).not.toEqual(shape(`type=${type}`));
  expect(shape('type=cache,target=/c,sharing=locked')).toEqual(shape('type=cache,target=/c,id=/c'));
  expect(shape('type=cache,target=/c,ro')).not.toEqual(shape('type=cache,target=/c'));
  expect(shape('type=secret,id=a')).not.toEqual(shape('type=secret,id=a,mode=444'));
  expect(shape('type=tmpfs,target=/t,size=1k')).not.toEqual(shape('type=tmpfs,target=/t'));
});
