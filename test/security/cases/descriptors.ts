import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Container, RunOptions } from '../../../lib/index.js';
import { compileShared } from '../../fixtures/compile.js';
import { pidOf, shimOf } from '../../fixtures/host.js';
import { runNode } from '../../fixtures/node.js';
import { findTool } from '../../fixtures/tools.js';
import { attack, byHand, rootOnly } from '../attack.js';
import { answered, beside, program, programFile, said } from '../inside.js';
import { emptyFolder, type HostFile, hostFile, privately, rootWith, SECRET } from '../outside.js';

/** The numbers of descriptors that may lead out. */
export const NUMBERS = Array.from({ length: 24 }, (_, fd) => fd);

/** Of several tries the one that got through, or the last one. */
export async function any(tries: readonly (() => Promise<string>)[], success: string): Promise<string> {
  let last = '';
  for (const one of tries) {
    last = await one();
    if (last === success) return last;
  }
  return last.startsWith('refused') ? 'refused' : last;
}

export const inheritedRoot = byHand('chroot(1) with a folder of the host open', SECRET, async () => {
  const host = hostFile();
  const script = 'mount -t proc proc "$1/proc"; exec 7< "$2"; exec chroot "$1" /bin/sh -c "cd /proc/self/fd/7 && cat secret"';
  return privately(script, await rootWith(), host.folder);
});

/** Opens a file that is executed, and writes to it when it is not any more, as CVE-2019-5736 does. */
export async function rewrites(path: string, then: () => Promise<void>): Promise<string> {
  const command = ['/escape', 'rewrite', path];
  const options = { command, copyIn: program('escape'), namespaces: { pid: 'host' }, capAdd: ['SYS_PTRACE'], stdin: 'pipe' } as const;
  return beside(options, async (container: Container) => {
    await once(container.stdout ?? process, 'readable');
    await then();
    container.stdin?.end('go\n');
    const lines = String((await container.wait()).stdout)
      .trim()
      .split('\n');
    return lines.at(-1) === 'written' ? 'written' : 'refused';
  });
}

/** A program of the host's that runs, and stands for a runtime. */
export async function standIn<T>(use: (pid: number, end: () => Promise<void>) => Promise<T>): Promise<T> {
  const path = join(emptyFolder(), 'runtime');
  writeFileSync(path, readFileSync(findTool('busybox') ?? ''), { mode: 0o755 });
  const child = spawn(path, ['sleep', '1000'], { argv0: 'busybox', stdio: 'ignore' });
  await once(child, 'spawn');
  const closed = once(child, 'close');
  const end = async (): Promise<void> => {
    child.kill('SIGKILL');
    await closed;
  };
  try {
    return await use(pidOf(child), end);
  } finally {
    await end();
  }
}

/** What is tried on a standard stream; it says nothing. */
const ON_STREAM: Readonly<Record<string, string>> = {
  written: 'echo EVIL > /proc/self/fd/$FD',
  'made set-user-id': 'chmod 4755 /proc/self/fd/$FD',
  cut: 'truncate -s 0 /proc/self/fd/$FD || : > /proc/self/fd/$FD',
};

type By = 'run' | 'exec';
const streams: Readonly<Record<'stdin' | 'stdout', (file: string) => RunOptions>> = {
  stdin: (file) => ({ stdin: { file } }),
  stdout: (file) => ({ input: '', stdout: { file, append: true } }),
};

async function onStream(how: By, stream: 'stdin' | 'stdout', script: string): Promise<string> {
  const host = hostFile();
  const mode = statSync(host.path).mode;
  const command = ['sh', '-c', `(${script}) 2>/dev/null; true`];
  const options = { ...streams[stream](host.path), env: { FD: stream === 'stdin' ? '0' : '1' } };
  if (how === 'run') await said(command, options);
  else await beside({}, (container) => answered(container.exec(command, options)));
  return stateOf(host, mode);
}

/** The standard output may be added to: that is what it was given for. */
function stateOf(host: HostFile, mode: number): string {
  const isSame = statSync(host.path).mode === mode && readFileSync(host.path, 'utf8').startsWith(SECRET);
  return isSame ? 'untouched' : 'changed';
}

const spawned = (stream: 'stdin' | 'stdout', script: string) =>
  byHand('a child of Node that has the descriptor', 'changed', async () => {
    const host = hostFile();
    const { mode } = statSync(host.path);
    const fd = openSync(host.path, stream === 'stdin' ? 'r' : 'a');
    const stdio = stream === 'stdin' ? ([fd, 'ignore', 'ignore'] as const) : (['ignore', fd, 'ignore'] as const);
    const child = spawn('sh', ['-c', script], { env: { ...process.env, FD: stream === 'stdin' ? '0' : '1' }, stdio: [...stdio] });
    closeSync(fd);
    await once(child, 'close');
    return stateOf(host, mode);
  });

export const descriptors = [
  ...(['run', 'exec'] as const).map((how) =>
    attack({
      attack: `has a descriptor that was left open as the folder to work in, by ${how}`,
      source: 'CVE-2024-21626',
      protection: 'nothing is left open, and the folder is checked to be inside the root after the last chdir(2)',
      tries: async () => {
        const command = ['cat', 'secret'];
        const tries = (cwd: string) => () =>
          how === 'run' ? said(command, { cwd }) : beside({}, (container) => answered(container.exec(command, { cwd })));
        return any(
          NUMBERS.map((fd) => tries(`/proc/self/fd/${fd}`)),
          SECRET,
        );
      },
      on: [{}, 'refused'],
      off: inheritedRoot,
    }),
  ),
  attack({
    attack: 'writes to the program that enters containers, by /proc/PID/exe',
    source: 'CVE-2019-5736',
    protection: "the shim's file is a memfd, sealed, behind a read-only mount that nobody has",
    as: rootOnly("the host's is for root"),
    tries: () => rewrites(`/proc/${shimOf()?.pid}/exe`, async () => undefined),
    on: [{}, 'refused'],
    off: byHand('a runtime that is a file', 'written', () => standIn((pid, end) => rewrites(`/proc/${pid}/exe`, end))),
  }),
  attack({
    attack: "makes the shim's file no program any more, by chmod(2) of /proc/1/exe",
    source: 'an attack on an earlier version',
    protection: 'the file can be changed by nobody',
    as: rootOnly("the host's is for root"),
    tries: () =>
      said(['sh', '-c', 'chmod 000 /proc/1/exe 2>/dev/null && echo changed || echo refused'], { init: true, capAdd: ['SYS_PTRACE'] }),
    on: [{}, 'refused'],
    off: byHand('a runtime that is a file', 'changed', () =>
      standIn((pid) =>
        said(['sh', '-c', 'chmod 000 /proc/$RUNTIME/exe 2>/dev/null && echo changed || echo refused'], {
          namespaces: { pid: 'host' },
          capAdd: ['SYS_PTRACE'],
          env: { RUNTIME: String(pid) },
        }),
      ),
    ),
  }),
  attack({
    attack: "finds one of its starter's 500 inheritable descriptors",
    source: 'CVE-2024-21626',
    protection: 'all others are closed just before execve(2)',
    tries: async (setting: { in?: 'Node' }) => {
      const { inside, inheritable } = await runNode<{ inheritable: number; inside: string }>('inherited-fds', [
        programFile('probe'),
        compileShared('open-fds'),
      ]);
      return setting.in === 'Node' ? `${inheritable >= 500 ? '500 and more' : inheritable}` : inside.trim();
    },
    on: [{}, '0 1 2'],
    off: [{ in: 'Node' }, '500 and more'],
  }),
  attack({
    attack: "leaves its root by a folder of the caller's that is its stdin",
    source: 'an attack on an earlier version',
    protection: 'only files, pipes, sockets and terminals are streams',
    tries: async () => {
      const fd = openSync(hostFile().folder, constants.O_DIRECTORY | constants.O_RDONLY);
      try {
        return await said(['cat', '/proc/self/fd/0/secret'], { stdin: fd });
      } finally {
        closeSync(fd);
      }
    },
    on: [{}, 'refused: ERR_INVALID_OPTION'],
    off: byHand('chroot(1) with the folder as its stdin', SECRET, async () => {
      const script = 'mount -t proc proc "$1/proc"; chroot "$1" /bin/cat /proc/self/fd/0/secret < "$2"';
      return privately(script, await rootWith(), hostFile().folder);
    }),
  }),
  ...(['run', 'exec'] as const).flatMap((how) =>
    Object.entries(ON_STREAM).flatMap(([became, script]) =>
      (['stdin', 'stdout'] as const)
        .filter((stream) => stream === 'stdin' || became !== 'written')
        .map((stream) =>
          attack({
            attack: `by ${how}: has a file of the caller's that is its ${stream} ${became}`,
            source: 'an attack on an earlier version',
            protection: stream === 'stdin' ? 'a read-only mount of that file alone' : 'a pump between the file and the program',
            tries: () => onStream(how, stream, script),
            on: [{}, 'untouched'],
            off: spawned(stream, script),
          }),
        ),
    ),
  ),
];
