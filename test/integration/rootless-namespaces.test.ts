import { expect } from 'vitest';
import { namespaceTypes } from '../../lib/plan/namespace-types.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { asOrdinaryUser } from '../fixtures/ordinary-user.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
// a tmpfs takes the marks of overlays of users since that kernel
const { describe, it } = requires({
  root: true,
  kernel: '6.6',
  tools: ['unshare', 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'readlink', 'hostname', 'ip', 'cut'],
});

const refused = (message: RegExp) => ({ name: 'UnsupportedError', message: expect.stringMatching(message) });
const FOREIGN = /^a net namespace that is joined is not supported here: it belongs to no user namespace of this user's containers/;

describe('namespaces of a user without root', () => {
  let telling: Promise<Readonly<Record<string, unknown>>> | undefined;
  /** All is tried once, by one process, in the first of the tests. */
  function told(): NonNullable<typeof telling> {
    telling ??= asOrdinaryUser('rootless-namespaces');
    return telling;
  }

  it.each<[name: string, what: string, expected: unknown]>([
    ...namespaceTypes.map((type) => [`alone ${type}`, 'are made, and run programs', true] as [string, string, unknown]),
    ['together', 'are made all at once', 'together\n0\n2\nlong\nlo UNKNOWN 00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP>'],
    ['without user', 'share the user namespace that owns them', ['of-two\n0', 1]],
    ['maps', 'have the ids that the maps say', ['7', '7', '0', '1']],
    ['maps of others', 'have no ids of others', refused(/^uidMap is not supported here: 0 is none of the ids of this user/)],
    ['of a process', 'of other programs are joined, with the rights that their user namespace gives', 'its net\ninside\n0'],
    ["the host's", 'of the host are not', { name: 'SyscallError', message: expect.stringContaining('EPERM') }],
    ['by path', 'are opened by a path', true],
    ['pinned', 'are not pinned', refused(/^Namespace.pin is not supported here: only root mounts where others see it/)],
    ['joined', 'are joined by a container, also those of two calls', 'made 2 lo 0 all of them'],
    ['shared', 'are shared by containers', [true, 'first /proc/1/root/etc/hostname', 'x']],
    ['network of a container', 'are shared by the option network', 'its net\n1'],
    ["network of a container that has the host's", "are shared where they are the host's", true],
    ['user', 'are joined with a user namespace', ['it', '0', '0', '1']],
    ['clocks', 'bring their clocks', true],
    ['groups', 'bring their view of groups', true],
    ['files', 'leave files and changes to each container', ['text', ['added /tmp/in']]],
    ['again', 'are joined again by the next run', [true, true]],
    ['detached', 'are shared by detached containers', true],
    ['processes', 'are joined with their processes only where a group ends the tree', refused(/^cgroup is not supported here/)],
    ["of no container's", 'of other programs are not joined by containers', refused(FOREIGN)],
    ["host's by a handle", 'of the host are not joined by containers', refused(FOREIGN)],
    ['of two', 'of two containers are not joined at once', refused(/they belong to different user namespaces/)],
    ['other ids', 'are not joined with other ids', refused(/^namespaces.user is not supported here: its uid 7 is another id/)],
  ])('%s: %s', async (name, _, expected) => {
    expect((await told())[name]).toEqual(expected);
  });
});
