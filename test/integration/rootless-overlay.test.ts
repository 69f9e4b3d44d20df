import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { asOrdinaryUser } from '../fixtures/ordinary-user.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
// a tmpfs takes the marks of overlays of users since that kernel
const { describe, it } = requires({
  root: true,
  kernel: '6.6',
  tools: ['unshare', 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'tar', 'rm', 'busybox'],
});

const refused = (message: RegExp) => ({ name: 'UnsupportedError', message: expect.stringMatching(message) });
const failed = (message: RegExp) => ({ name: expect.any(String), message: expect.stringMatching(message) });

describe('an overlay of a user without root', () => {
  let telling: Promise<Readonly<Record<string, unknown>>> | undefined;
  /** All is tried once, by one process, in the first of the tests. */
  function told(): NonNullable<typeof telling> {
    telling ??= asOrdinaryUser('rootless-overlay');
    return telling;
  }

  it.each<[name: string, what: string, expected: unknown]>([
    ['features', 'is told of by features()', { available: true, reason: null, fix: null }],
    ['path', 'is read and written by its path, also by other programs, and mounted nowhere', [['new', 'top'], 'new', false]],
    [
      'changes',
      'tells its changes, packs them, and has layers',
      [['modified file /a', 'deleted file /b', 'added directory /d'], ['a', '.wh.b', 'd/'], 3],
    ],
    ['upper', 'leaves its changes in a folder, and nothing beside that', [['x'], ['a', 'x'], true, []]],
    ['read-only', 'is read-only, when that was asked for', failed(/^EROFS/)],
    ['size', 'has the size that was asked for', failed(/^ENOSPC/)],
    ['files of others', 'shows files of others, and changes none', failed(/^EACCES/)],
    [
      'container',
      'is the root of containers, one after the other',
      ['0\nbusybox\ncat\nls\nrm\nsh\ninside\n', 'inside\n', ['deleted symlink /bin/id', 'added file /made']],
    ],
    [
      'bind',
      'is bound in containers, as a whole and in part',
      [expect.stringMatching(/^\/one:\na\nsub\n\n\/two:\nx\ntouch: .*Read-only/), ['y']],
    ],
    ['longer', 'stays in a container that has it', ['a', false]],
    ['twice', 'is given to many at once', ['a', 'x', 'y']],
    ['committed', 'becomes an image', 2],
    ['target', 'is mounted on no folder', refused(/^OverlayFs with target is not supported here/)],
    ['persist', 'does not persist', refused(/^OverlayFs with persist is not supported here/)],
    ['restart', 'is not given to a container that may start again', refused(/^an OverlayFs in a container that may be started again/)],
    ['closed', 'is closed once, and then is not read', failed(/is unmounted$/)],
    ['whole host', 'has no layer with mounts below', refused(/^the lower folder \/ of an OverlayFs is not supported here: .*as \/\S+ is/)],
  ])('%s: %s', async (name, _, expected) => {
    expect((await told())[name]).toEqual(expected);
  });
});
