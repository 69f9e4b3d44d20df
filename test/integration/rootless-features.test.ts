import { chmodSync } from 'node:fs';
import { expect } from 'vitest';
import type { Features } from '../../lib/index.js';
import { ownArchitecture } from '../../lib/security/own-architecture.js';
import { syscallTable } from '../../lib/security/syscalls/tables.js';
import { compile } from '../fixtures/compile.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { asOrdinaryUser, givingIds, USER } from '../fixtures/ordinary-user.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({
  root: true,
  kernel: '6.6',
  tools: ['unshare', 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'gcc'],
});

const works = { available: true, reason: null, fix: null };
const lacks = (reason: string, fix: string) => ({
  available: false,
  reason: expect.stringContaining(reason),
  fix: expect.stringContaining(fix),
});

// on a disk: what is mounted of a tmpfs is no part of the host image
const folder = temporaryFolder('/var/tmp');
chmodSync(folder, 0o755);

const told = async (before?: string, through?: readonly string[]): Promise<Features['rootless']> =>
  (await asOrdinaryUser<Features>('features', [], before, through)).rootless;

/** The command around which a filter refuses what makes user namespaces. */
function filtered(): string[] {
  const table = syscallTable(ownArchitecture());
  const refuses = (name: string, error: number): string => `${table.get(name)?.[0]}:${error}`;
  return [compile('refuse-calls', folder), refuses('unshare', 1), refuses('clone3', 38), '--'];
}

describe('a user without root is told', () => {
  it('that bridges can be had', async () => {
    const { network } = await asOrdinaryUser<Features>('features');
    expect(network).toMatchObject({ none: works, bridge: works });
  });

  it('which limit on namespaces is reached, and of all that needs one', async () => {
    const none = 'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --inh-caps=-all --ambient-caps=-all "$@"';
    const own = ['unshare', '--user', `--map-user=${USER}`, `--map-group=${USER}`, '--keep-caps', 'sh', '-c', none, 'sh'];
    const reached = lacks('the sysctl user.max_user_namespaces is 0', 'sysctl -w user.max_user_namespaces=');
    const { parts, ...rootless } = await told(undefined, own);
    expect(rootless).toEqual(reached);
    expect(parts).toMatchObject({ namespace: reached, loopback: reached, proc: reached, overlay: reached });
  });

  it('that a type of namespace is at its limit', async () => {
    const none = 'echo 0 > /proc/sys/user/max_net_namespaces; exec setpriv --inh-caps=-all --ambient-caps=-all "$@"';
    const own = ['unshare', '--user', `--map-user=${USER}`, `--map-group=${USER}`, '--keep-caps', 'sh', '-c', none, 'sh'];
    const { parts } = await told(undefined, own);
    expect(parts).toMatchObject({
      namespace: works,
      loopback: lacks('user.max_net_namespaces is 0', 'sysctl -w'),
      proc: works,
      overlay: works,
    });
  });

  it('that a filter refuses it', async () => {
    const { parts, ...rootless } = await told(undefined, filtered());
    expect(rootless).toEqual(lacks('a filter of system calls around this process', 'seccomp=unconfined'));
    expect(parts.namespace).toEqual(lacks('a filter of system calls around this process', 'seccomp=unconfined'));
  });

  it('that /proc is masked, where, and what unmasks it', async () => {
    const { parts, ...rootless } = await told('mount --bind /dev/null /proc/timer_list');
    const masked = lacks('as /proc/timer_list is', 'systempaths=unconfined');
    expect(rootless).toEqual(masked);
    expect(parts).toMatchObject({ namespace: works, loopback: works, proc: masked, overlay: works });
  });

  it('why nothing can be told, where what explains a refusal can not be read', async () => {
    const unreadable = 'mount -t tmpfs none /proc/sys/user; mkdir /proc/sys/user/max_net_namespaces';
    const { parts, ...rootless } = await told(unreadable, filtered());
    expect(rootless).toMatchObject({ available: false, reason: expect.stringContaining('/proc/sys/user/max_net_namespaces') });
    expect(parts.overlay).toEqual(rootless);
  });

  it('that the programs are missing which map the ids that were given to the user', async () => {
    const { parts, available } = await told(givingIds(folder, `${USER}:200000:65536`));
    expect(available).toBe(true);
    expect(parts.ids).toEqual(lacks('newuidmap', 'uidmap'));
  });
});
