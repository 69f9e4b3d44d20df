import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect } from 'vitest';
import { Container, type ContainerOptions, type Encoding } from '../../../lib/index.js';
import { compile } from '../../fixtures/compile.js';
import { useDetached } from '../../fixtures/detached.js';
import { isAlive, type ProcessInfo, processes, processInfo } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { all, textOf } from '../../fixtures/log-records.js';
import { runNode } from '../../fixtures/node.js';
import { OUTER_TOOLS, OuterTerminal } from '../../fixtures/outer-terminal.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { rounds } from '../../fixtures/rounds.js';
import { busybox } from '../../fixtures/sandbox.js';
import { findTool } from '../../fixtures/tools.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });
const NAME = `nacelle-test-${process.pid}-terminal`;
const tty = { columns: 100, rows: 30 };

/** As it comes from a terminal. */
const lines = (...of: string[]): string => of.map((line) => `${line}\r\n`).join('');

async function started(command: string[], more: ContainerOptions<Encoding> = {}): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), detach: true, tty, command, ...more });
  await container.start();
  return container;
}

const logged = async (container: Container): Promise<string> => textOf(await all(container.logs()));

describe('a detached program at a terminal', () => {
  const script = 'tty; stty size; [ /dev/console -ef $(tty) ] && echo console; echo $TERM; echo error >&2; stat -c "%u %g %a" $(tty)';

  it.each([
    ['root', {}, '0 5 620'],
    ['another user, with an init', { user: '1000:1000', init: true }, '1000 5 620'],
    [
      'an upper on disk, and root’s in the host’s pid namespace',
      { upper: 'disk', namespaces: { pid: isRoot ? 'host' : 'new' } },
      '0 5 620',
    ],
  ] satisfies [string, ContainerOptions, string][])('has it as its streams, as any other: %s', async (_, more, owner) => {
    const container = await started(['sh', '-c', script], more);
    expect(container.stderr).toBeNull();
    const seen = lines('/dev/pts/0', '30 100', 'console', 'xterm', 'error', owner);
    expect(await container.wait()).toMatchObject({ status: 'ok', stdout: seen, stderr: '' });
    const records = await all(container.logs());
    expect(textOf(records)).toBe(seen);
    expect(new Set(records.map(({ stream }) => stream))).toEqual(new Set(['stdout']));
  });

  it('has the size that it is given before the start', async () => {
    const container = await Container.create({ ...(await busybox()), detach: true, tty: true, command: ['stty', 'size'] });
    await (await Container.attach(container.id)).resize({ columns: 33, rows: 22 });
    await container.start();
    expect((await container.wait()).stdout).toBe(lines('22 33'));
  });

  it('is typed to, resized and read by another process, and ends its log with its last byte', async () => {
    // the shell of the small image edits lines itself
    const made = await started(['sh'], { image: 'host', name: NAME, env: { PS1: '$ ' } });
    await until('the prompt is shown', async () => (await logged(made)).endsWith('$ '));
    const told = await runNode<{ exitCode: number; shown: string; logged: string }>('attach-terminal', [
      NAME,
      'stty size; printf "last %s" words; exit 3\n',
    ]);
    expect(told.exitCode).toBe(3);
    expect(told.shown).toBe('stty size; printf "last %s" words; exit 3\r\n43 132\r\nlast words');
    // what came before is in the log
    expect(told.logged).toBe(`$ ${told.shown}`);
    expect((await made.wait()).stdout).toBe(told.logged);
  });

  it('has the keys of several, Ctrl-C and the end of its input', async () => {
    const script = 'trap "echo interrupted" INT; echo ready; read line; echo "heard $line"; cat; echo over';
    const made = await started(['sh', '-c', script]);
    const [one, two] = [await Container.attach(made.id), await Container.attach(made.id)];
    await until('it is ready', async () => (await logged(made)).includes('ready'));
    one.stdin?.write('hel');
    await until('the echo is shown', async () => (await logged(made)).endsWith('hel'));
    two.stdin?.write('lo\n');
    await until('it has heard', async () => (await logged(made)).includes('heard hello'));
    // a shell that is about to start a program takes the signal for itself, and waits for that program
    await until('cat reads', () => processes().some(({ parent, command }) => parent === made.pid && command === 'cat'));
    one.stdin?.write('\x03');
    await until('it is interrupted', async () => (await logged(made)).includes('interrupted'));
    two.stdin?.end();
    expect((await one.wait()).stdout).toMatch(/\^C(?:\r\n)?interrupted\r\nover\r\n$/);
  });

  it('is stopped and goes on by Ctrl-S and Ctrl-Q, whoever types them', async () => {
    const made = await started(['sh', '-c', 'echo ready; read line; echo over']);
    await until('it is ready', async () => (await logged(made)).includes('ready'));
    (await Container.attach(made.id)).stdin?.write('\x13\n');
    // the program writes, and waits; nobody else does
    expect((await made.exec(['echo', 'goes on'])).stdout).toBe('goes on\n');
    made.stdin?.write('\x11');
    // the echo of the line was held back too, and may come before or behind
    expect(await made.wait()).toMatchObject({ status: 'ok', stdout: expect.stringMatching(/^ready\r\n(?:\r\n)?over\r\n(?:\r\n)?$/) });
  });

  it('is ignored, and read on, when nothing is typed', async () => {
    const made = await started(['sh', '-c', 'test -t 0 && timeout 0.3 cat; echo $?'], { stdin: 'ignore' });
    expect(made.stdin).toBeNull();
    expect((await Container.attach(made.id)).stdin).toBeNull();
    expect((await made.wait()).stdout).toMatch(/143\r\n$/);
  });

  it('loses nothing of its end', { timeout: 1_800_000 }, async () => {
    const command = ['sh', '-c', 'head -c 20480 /dev/zero | tr "\\0" x; printf "!"; exit 7'];
    for (let round = 0; round < rounds(20, 1000); round++) {
      const made = await started(command);
      const { exitCode, stdout } = await made.wait();
      const text = await logged(made);
      expect([exitCode, stdout === text, text.length, text.at(-1)], `round ${round}`).toEqual([7, true, 20_481, '!']);
      await made.remove();
    }
  });

  it('loses nothing though its log is late', async () => {
    const made = await started(['sh', '-c', 'read line; head -c 6000 /dev/zero | tr "\\0" x; printf "!"']);
    const { parent } = processInfo(made.pid) ?? {};
    const isLog = (info: ProcessInfo): boolean => info.parent === parent && info.command === 'nacelle-log';
    // the log is executed beside the program, and may come later
    const log = await until('the log runs', () => processes().find(isLog)?.pid);
    process.kill(log, 'SIGSTOP');
    made.stdin?.write('\n');
    await until('the program has ended', () => !isAlive(made.pid));
    process.kill(log, 'SIGCONT');
    expect((await made.wait()).stdout).toBe(`\r\n${'x'.repeat(6000)}!`);
  });

  it('waits for no reader', async () => {
    const made = await started(['sh', '-c', 'i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done']);
    const stuck = await Container.attach(made.id);
    if (stuck.stdout) await once(stuck.stdout, 'readable');
    expect((await made.wait()).stdout).toBe(lines(...Array.from({ length: 20_000 }, (_, i) => String(i))));
    // a stream has what it was made for, also of a log that is removed, until its reader lets it go
    stuck.stdout?.destroy();
  });
});

describe('a size', () => {
  it('is an error where there is no terminal, or no more', async () => {
    const without = await started(['sleep', '1000'], { tty: false });
    const attached = await Container.attach(without.id);
    for (const container of [without, attached])
      await expect(container.resize(tty)).rejects.toMatchObject({ code: 'ERR_STATE', message: expect.stringContaining("'tty'") });
    const ended = await started(['true']);
    await ended.wait();
    for (const container of [ended, await Container.attach(ended.id)])
      await expect(container.resize(tty)).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(ended.resize({ columns: 0, rows: 1 })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    // nobody waits for this one
    const alone = await started(['true']);
    await until('the handle knows', () => alone.state === 'stopped');
    await expect(alone.resize(tty)).rejects.toMatchObject({ code: 'ERR_STATE' });
  });

  it('is refused for a terminal that nobody would read', async () => {
    await expect(started(['true'], { stdout: 'ignore' })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('stdout'),
    });
    await expect(started(['true'], { stderr: 'pipe' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });
});

requires({ containers: true, groups: true, tools: ['busybox', 'gcc'] }).describe('a hostile program', () => {
  const program = findTool('gcc') ? compile('hostile-terminal') : '';
  const hostile = (how: string, more: ContainerOptions<Encoding> = {}) =>
    started(['/hostile', how], { copyIn: { '/hostile': { source: program, mode: 0o755 } }, ...more });

  it.each([
    ['stops', 'before'],
    ['stops the input', 'before\x13after'],
    ['asks for more', 'after'],
    ['raw', Buffer.concat(Array(400).fill(Buffer.from(Array.from({ length: 256 }, (_, i) => i)))).toString('latin1')],
    ['does not block', '\0'.repeat(1_000_000)],
  ])('that %s its terminal ends, and is read to its last byte', async (how, shown) => {
    const made = await hostile(how, { encoding: 'buffer' });
    const { exitCode, stdout } = await made.wait();
    expect(exitCode).toBe(3);
    expect(Buffer.from(stdout).toString('latin1') === shown).toBe(true);
  });

  it('that stops its terminal holds up itself alone', async () => {
    const made = await hostile('stops and writes');
    const other = await Container.attach(made.id);
    await until('it has written', async () => (await logged(other)) === 'before');
    expect((await other.exec(['echo', 'goes on'])).stdout).toBe('goes on\n');
    await other.resize(tty);
    await made.kill();
    expect(await other.wait()).toMatchObject({ status: 'signalled', stdout: 'before' });
  });

  // the kernel asks for the machine's own CAP_SYS_TTY_CONFIG
  requires({ root: true, tools: ['busybox', 'gcc'] }).it('that hangs its terminal up is read on', async () => {
    const made = await hostile('hangs up', { capAdd: ['SYS_TTY_CONFIG'], seccomp: 'unconfined' });
    // the kernel may drop what was not read before
    expect(await made.wait()).toMatchObject({ exitCode: 3, stdout: expect.stringMatching(/after a while$/) });
  });

  it('that reads nothing holds up nobody who types', async () => {
    const made = await started(['sh', '-c', 'stty raw -echo; echo ready; exec sleep 1000']);
    await until('it is ready', async () => (await logged(made)).startsWith('ready'));
    const [typing, other] = [await Container.attach(made.id), await Container.attach(made.id)];
    typing.stdin?.write(Buffer.alloc(1 << 20));
    await until('the terminal is full', () => (typing.stdin?.writableLength ?? 0) > 0);
    await other.resize({ columns: 10, rows: 20 });
    expect((await other.exec(['stty', '-F', '/dev/pts/0', 'size'])).stdout).toBe('20 10\n');
    await made.kill();
    expect(await other.wait()).toMatchObject({ status: 'signalled' });
  });
});

requires({ containers: true, groups: true, tools: [...OUTER_TOOLS, 'busybox', 'stty'] }).it(
  'is connected with a real terminal, left and found again',
  async () => {
    const made = await started(['sh'], { name: NAME, env: { PS1: 'inside$ ' } });
    const first = new OuterTerminal('attach', NAME);
    await until('it is connected', async () => (await made.exec(['stty', '-F', '/dev/pts/0', 'size'])).stdout === '30 100\n');
    first.type('stty size\r');
    await first.see('30 100');
    await once(spawn('stty', ['-F', first.tty, 'rows', '40', 'cols', '120'], { stdio: 'inherit' }), 'exit');
    await until('it has the size', async () => (await made.exec(['stty', '-F', '/dev/pts/0', 'size'])).stdout === '40 120\n');
    first.type('\x10\x11');
    await first.see('outcome: detached, running');
    expect(await first.over()).toMatchObject({ changed: false, shown: expect.stringContaining('code: 0') });
    const second = new OuterTerminal('attach', NAME);
    await until('it is connected', async () => (await made.exec(['stty', '-F', '/dev/pts/0', 'size'])).stdout === '30 100\n');
    second.type('echo ag""ain; exit 5\r');
    await second.see('again');
    await second.see('outcome: ended, exited with 5');
    expect((await second.over()).changed).toBe(false);
  },
);
