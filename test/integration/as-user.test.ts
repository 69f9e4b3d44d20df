import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { Feature } from '../../lib/index.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['unshare', 'setpriv', 'mount', 'env'] });

const NOBODY = 65_534;
const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

interface Told {
  readonly overlay: Feature;
  readonly seccomp: Feature;
  readonly user: Feature;
  readonly cgroup: boolean;
  readonly mounted: string;
  readonly runtime: string;
}

/** As a service, a job of CI or `USER node` has it: a user without a session. /tmp and /run/user are his own ones, made by `before`. */
function asUser<T = Told>(before = '', program = 'as-user'): Promise<T> {
  const caps = '--securebits=+no_setuid_fixup --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search';
  const script = [
    // what the test finds is below /tmp, which is about to be hidden
    'PATH=$NACELLE_TEST_PATH',
    // this project may lie there itself
    `mount -t tmpfs none /mnt; mkdir /mnt/project; mount --bind ${project} /mnt/project`,
    `mount -t tmpfs -o mode=1777 none /tmp; mkdir -p ${project}; mount --move /mnt/project ${project}`,
    'mkdir -p /run/user; mount -t tmpfs -o mode=755 none /run/user',
    before,
    `exec env -u NACELLE_RUNROOT -u XDG_RUNTIME_DIR -u HOME -u XDG_DATA_HOME setpriv --reuid=${NOBODY} --regid=${NOBODY} --clear-groups ${caps} "$@"`,
  ];
  return runNode<T>(program, [], { through: ['unshare', '--mount', 'sh', '-ec', script.join('\n'), 'sh'] });
}

it('a user without root is refused a user namespace of his choice before a shim is started', async () => {
  const message = expect.stringMatching(/^userns is not supported here: this user's containers have a user namespace of their own/);
  const refused = { name: 'UnsupportedError', message };
  expect(await asUser<object>('', 'userns-as-user')).toEqual({ failures: Array.from({ length: 9 }, () => refused), made: false });
});

describe('a user without XDG_RUNTIME_DIR', () => {
  it('has a folder of his own below /tmp', async () => {
    const told = await asUser();
    expect(told).toMatchObject({ seccomp: { available: true }, runtime: `/tmp/nacelle-${NOBODY}/nacelle` });
  });

  it('has the one that systemd made for him', async () => {
    const told = await asUser(`mkdir -m 700 /run/user/${NOBODY}; chown ${NOBODY}:${NOBODY} /run/user/${NOBODY}`);
    expect(told).toMatchObject({ seccomp: { available: true }, runtime: `/run/user/${NOBODY}/nacelle` });
  });

  it.each([
    ['of somebody else', `mkdir -m 700 /run/user/${NOBODY}`],
    ['open to others', `mkdir -m 755 /run/user/${NOBODY}; chown ${NOBODY} /run/user/${NOBODY}`],
    ['a link', `mkdir -m 700 /run/user/other; chown ${NOBODY} /run/user/other; ln -s other /run/user/${NOBODY}`],
  ])('does not take one in /run/user that is %s', async (_, before) => {
    expect(await asUser(before)).toMatchObject({ seccomp: { available: true }, runtime: `/tmp/nacelle-${NOBODY}/nacelle` });
  });

  it.each([
    ['of somebody else', `mkdir -m 777 /tmp/nacelle-${NOBODY}`],
    ['open to others', `mkdir -m 770 /tmp/nacelle-${NOBODY}; chown ${NOBODY} /tmp/nacelle-${NOBODY}`],
    ['a link', `mkdir -m 700 /tmp/own; chown ${NOBODY} /tmp/own; ln -s own /tmp/nacelle-${NOBODY}`],
    ['a file', `touch /tmp/nacelle-${NOBODY}; chown ${NOBODY} /tmp/nacelle-${NOBODY}; chmod 600 /tmp/nacelle-${NOBODY}`],
  ])('is told that the folder below /tmp is %s, and by features() too', async (_, before) => {
    const told = await asUser(before);
    const refused = {
      available: false,
      reason: expect.stringContaining(`/tmp/nacelle-${NOBODY}`),
      fix: expect.stringContaining('NACELLE_RUNROOT'),
    };
    expect(told).toMatchObject({ seccomp: refused, overlay: refused, user: refused, cgroup: false });
    expect(told.mounted).toContain(`/tmp/nacelle-${NOBODY}`);
  });

  it('is told of overlays what OverlayFs then does', async () => {
    const { overlay, mounted } = await asUser();
    expect(overlay).toEqual({ available: true, reason: null, fix: null });
    expect(mounted).toBe('works');
  });
});
