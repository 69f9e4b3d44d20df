import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../../../lib/errors.js';
import type { ExecOptions, RunOptions } from '../../../lib/index.js';
import { attack, rootOnly } from '../attack.js';
import { answered, beside, by, said, script } from '../inside.js';
import { emptyFolder } from '../outside.js';

/** An ordinary user may have no group, for which the profile would be refused. */
const profile = { profile: 'untrusted', onUnsupported: 'report' } as const;

type How = 'run' | 'exec';

/** Runs a script with streams of the caller's. */
async function streamed(how: How, text: string, setting: RunOptions, streams: ExecOptions): Promise<string> {
  const command = ['sh', '-c', `(${text}) 2>/dev/null; true`];
  if (how === 'run') return said(command, { ...setting, ...streams });
  return beside({ ...setting, timeout: 0 }, (container) => answered(container.exec(command, streams)));
}

/** A FIFO of the caller's that is a program's stream, and what became of it. */
async function withFifo(how: How, text: string, setting: RunOptions): Promise<string> {
  const path = join(emptyFolder(), 'fifo');
  execFileSync('mkfifo', ['-m', '622', path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    const { mode } = statSync(path);
    writeSync(fd, 'text\n');
    await streamed(how, text, setting, { stdout: fd });
    if (statSync(path).mode !== mode) return 'changed';
    return written(fd);
  } finally {
    closeSync(fd);
  }
}

/** What is in a FIFO. */
function written(fd: number): string {
  const bytes = Buffer.alloc(100);
  try {
    return bytes.toString('utf8', 0, readSync(fd, bytes)).split('\n')[0] ?? '';
  } catch (error) {
    if (hasCode(error, 'EAGAIN')) return 'taken';
    throw error;
  }
}

const hows: readonly How[] = ['run', 'exec'];

export const untrusted = [
  ...hows.map((how) =>
    attack({
      attack: `by ${how}: reads a FIFO of the caller's that is its stdout, and takes what others write to it`,
      source: 'a descriptor that is handed in gives all that its kind allows',
      protection: "streams are pipes of Node's alone",
      needs: { tools: ['mkfifo'] },
      tries: (setting: RunOptions) => withFifo(how, 'echo mine; dd bs=5 count=1 of=/dev/null < /proc/self/fd/1', setting),
      on: [profile, 'text'],
      off: [{}, 'mine'],
    }),
  ),
  ...hows.map((how) =>
    attack({
      attack: `by ${how}: changes the mode of a FIFO of the caller's that is its stdout`,
      source: 'a descriptor that is handed in gives all that its kind allows',
      protection: "streams are pipes of Node's alone",
      needs: { tools: ['mkfifo'] },
      tries: (setting: RunOptions) => withFifo(how, 'chmod 4777 /proc/self/fd/1', setting),
      on: [profile, 'text'],
      off: [{}, 'changed'],
    }),
  ),
  ...hows.map((how) =>
    attack({
      attack: `by ${how}: fills a disk of the host by its output, which goes to a file`,
      source: 'the pump writes for it, in no group of its own',
      protection: 'maxBuffer counts wherever output goes',
      tries: async (setting: RunOptions) => {
        const file = join(emptyFolder(), 'output');
        await streamed(how, 'head -c 8388608 /dev/zero', setting, { stdout: { file }, maxBuffer: '1m' });
        return `${statSync(file).size >> 20} MiB`;
      },
      on: [profile, '1 MiB'],
      off: [{}, '8 MiB'],
    }),
  ),
  attack({
    attack: 'opens a device that a bind shows, in a group that lets it',
    source: 'a bind of a folder with nodes',
    protection: 'binds are nodev',
    as: rootOnly('nobody but root makes nodes'),
    needs: { tools: ['mknod'] },
    tries: async (setting: RunOptions) => {
      const folder = emptyFolder();
      execFileSync('mknod', ['-m', '666', join(folder, 'zero'), 'c', '1', '5']);
      return said(['sh', '-c', 'head -c 1 /b/zero 2>/dev/null | wc -c'], { volumes: [`${folder}:/b`], ...setting });
    },
    on: [profile, '0'],
    off: [{}, '1'],
  }),
  attack({
    attack: 'forks without end, where nobody thought of a limit',
    source: 'fork bomb',
    protection: 'pidsLimit of the profile',
    as: rootOnly('a group must be delegated'),
    tries: async (options: RunOptions) => ((await by('probe', 'fork', '200')(options)).endsWith('OK') ? 'forked' : 'EAGAIN'),
    on: [profile, 'EAGAIN'],
    off: [{}, 'forked'],
  }),
  attack({
    attack: 'writes to its root, of which nobody said how large it may get',
    source: 'a full disk',
    protection: 'the root is read-only, and /tmp has a size and a number of files',
    tries: script('(head -c 1048576 /dev/zero > /file) 2>/dev/null && echo filled || echo refused'),
    on: [profile, 'refused'],
    off: [{}, 'filled'],
  }),
  attack({
    attack: 'as its root: has a capability over its own namespaces, by which more of the kernel can be reached',
    source: 'CVE-2022-0185, CVE-2023-32233 and others, by way of a capability in a user namespace',
    protection: 'no capability in any set',
    tries: script('grep -q "CapBnd:.*0000000000000000" /proc/self/status && echo none || echo some', { user: '0' }),
    on: [profile, 'none'],
    off: [{}, 'some'],
  }),
];
