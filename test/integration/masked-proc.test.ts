import { expect } from 'vitest';
import { useLeakCheck } from '../fixtures/leaks.js';
import { asOrdinaryUser } from '../fixtures/ordinary-user.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
// a tmpfs takes the marks of overlays of users since that kernel
const { it } = requires({
  root: true,
  kernel: '6.6',
  tools: ['unshare', 'setpriv', 'mount', 'env', 'chown', 'mkdir', 'readlink', 'tr', 'grep'],
});

it('a user without root is told that /proc is masked, or has the outer one where that was asked for', async () => {
  const told = await asOrdinaryUser('masked-proc', [], 'mount --bind /dev/null /proc/timer_list');
  expect(told).toEqual({
    refused: { name: 'SyscallError', message: expect.stringMatching(/^make a proc file system: EPERM .*systempaths=unconfined/) },
    reported: [0, ['a /proc of its own']],
    sees: '1',
    itself: expect.stringMatching(/^\/\S*\nx\nown$/),
    'looks into others': [],
    'changes others': [expect.stringContaining('Read-only file system'), expect.any(String)],
    remounts: expect.stringContaining('permission denied'),
    'kills others': expect.stringContaining('No such process'),
    masks: '',
    'joined by others': 'cat',
    neighbour: {
      name: 'UnsupportedError',
      message: expect.stringMatching(/^a namespace that is joined is not supported here: parts of \/proc are masked/),
    },
    "a stranger's": { name: 'SyscallError', message: expect.stringMatching(/^make a proc file system: EPERM/) },
  });
});
