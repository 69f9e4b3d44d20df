import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, createReadStream, createWriteStream, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { Container, type Execution, Namespace, type RunOptions } from '../../../lib/index.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode } from '../../fixtures/node.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { rounds } from '../../fixtures/rounds.js';
import { busybox, output, sh } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });
const joining = requires({ containers: true, groups: true, joinsPid: true, tools: ['busybox'] });
const folder = temporaryFolder();
const tty = { columns: 100, rows: 30 };

/** As it comes from a terminal. */
const lines = (...of: string[]): string => of.map((line) => `${line}\r\n`).join('');

/** Reads until these words have come. */
async function see(stream: Readable | null, words: string): Promise<string> {
  let seen = '';
  for await (const chunk of stream ?? []) {
    seen += String(chunk);
    if (seen.includes(words)) return seen;
  }
  throw new Error(`${JSON.stringify(words)} did not come, but ${JSON.stringify(seen)}`);
}

/** The same and leaves the stream as it is, for others to read on. */
async function untilSeen(stream: Readable | null, words: string): Promise<void> {
  let seen = '';
  const look = (chunk: unknown): void => {
    seen += String(chunk);
  };
  stream?.on('data', look);
  await until(`${JSON.stringify(words)} is seen`, () => seen.includes(words));
  stream?.off('data', look);
}

/** Runs a shell script at a terminal in the small image. */
async function atTerminal(script: string, options: RunOptions = {}): Promise<{ execution: Execution }> {
  return { execution: Container.run({ ...(await busybox()), command: ['sh', '-c', script], tty, ...options }) };
}

/** A running container, and programs in it. */
async function running(options: RunOptions = {}): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], ...options });
  await container.start();
  return container;
}

describe('a program at a terminal', () => {
  const script =
    'tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo all three; exec 3</dev/tty && echo controlling; echo $TERM; echo error >&2';
  const seen = lines('/dev/pts/0', '30 100', 'all three', 'controlling', 'xterm', 'error');

  it.each([
    ['root', {}],
    ['with an init', { init: true }],
    ['another user', { user: '1000:1000' }],
    ['another user, with an init', { user: 1000, init: true }],
    ...(isRoot ? [['a joined pid namespace', { namespaces: { pid: 'host' } }] satisfies [string, RunOptions]] : []),
    ['a root that is read-only', { readOnly: true }],
  ] satisfies [string, RunOptions][])('has it as its streams, in its size: %s', async (_, options) => {
    const { stdout, stderr, status, reason } = await sh(script, { tty, ...options });
    expect({ status, stdout, stderr }, reason).toEqual({ status: 'ok', stdout: seen, stderr: '' });
  });

  it('in a container that is created first, with a size that is set before the start', async () => {
    const container = await Container.create({ ...(await busybox()), command: ['stty', 'size'], tty: true });
    await container.resize({ columns: 33, rows: 22 });
    await container.start();
    expect((await container.wait()).stdout).toBe(lines('22 33'));
    await expect(container.resize(tty)).rejects.toMatchObject({ code: 'ERR_STATE' });
    await container.remove();
  });

  it('in a running container, also where that has one', async () => {
    const container = await running({ tty: true });
    const { stdout, reason } = await container.exec(['sh', '-c', script], { tty });
    expect(stdout, reason).toBe(seen.replace('pts/0', 'pts/1'));
    const other = await container.exec(['sh', '-c', 'tty; id -u; echo > /dev/tty && stat -c "%u %g %a" $(tty)'], { tty: true, user: 1000 });
    expect(other.stdout).toBe(lines('/dev/pts/1', '1000', '', '1000 5 620'));
    await container.remove({ force: true });
  });

  joining.it('in a container whose pid namespace is the one of another', async () => {
    const first = await running();
    const pid = await first.namespace('pid');
    const second = await running({ namespaces: { pid } });
    expect((await second.exec(['sh', '-c', script], { tty })).stdout).toBe(seen);
    expect((await sh(script, { tty, namespaces: { pid } })).stdout).toBe(seen);
    await second.remove({ force: true });
    await pid.close();
    await first.remove({ force: true });
  });

  it('is 80 by 24 when nobody says more', async () => {
    expect(await output('stty size', { tty: true })).toBe('24 80');
    expect(await output('stty size', { tty: { columns: 200, rows: 99 } })).toBe('99 200');
  });

  it('is its user’s, and the console too', async () => {
    const look = 'stat -c "%u %g %a" $(tty); [ /dev/console -ef $(tty) ] && echo the same; echo to the console > /dev/console';
    expect(await output(look, { tty, user: '1000:1000' })).toBe(lines('1000 5 620', 'the same', 'to the console').trimEnd());
    expect(await output('ls /dev/console 2>&1 || true')).toContain('No such file');
  });

  it('leaves a console of the caller’s as it is', async () => {
    writeFileSync(join(folder, 'console'), 'mine');
    const mounts = [{ type: 'bind' as const, source: join(folder, 'console'), target: '/dev/console' }];
    expect(await output('cat /dev/console', { tty, mounts })).toBe('mine');
  });

  it('has the TERM that somebody gives, or none', async () => {
    expect(await output('echo $TERM', { tty, env: { TERM: 'vt100' } })).toBe('vt100');
    expect(await output('env | grep TERM || echo none', { tty, env: { TERM: undefined } })).toBe('none');
    expect(await output('env | grep TERM || echo none')).toBe('none');
    const container = await running({ env: { TERM: 'linux' } });
    expect((await container.exec(['sh', '-c', 'echo $TERM'], { tty })).stdout).toBe(lines('linux'));
    await container.remove({ force: true });
  });
});

describe('its output', () => {
  it('comes to the last byte', async () => {
    const container = await running();
    const program = ['sh', '-c', 'head -c 20480 /dev/zero | tr "\\0" x; exit 7'];
    const whole = { stdout: 'x'.repeat(20_480), exitCode: 7 };
    for (let round = 0; round < rounds(20, 1000); round++) {
      expect(await Container.run({ ...(await busybox()), command: program, tty })).toMatchObject(whole);
      expect(await container.exec(program, { tty })).toMatchObject(whole);
    }
    await container.remove({ force: true });
  });

  it('comes whole from programs that a shell leaves running', async () => {
    expect(await output('(trap "" HUP; sleep 0.2; head -c 50000 /dev/zero | tr "\\0" y) & wait', { tty })).toBe('y'.repeat(50_000));
  });

  it('goes on when nobody has the terminal open for a while', async () => {
    const script = 'exec 0<&- 1>&- 2>&-; sleep 0.2; exec >/dev/tty; echo back';
    expect(await output(script, { tty })).toBe('back');
  });

  it('waits for a slow reader', async () => {
    const { execution } = await atTerminal('i=0; while [ $i -lt 4000 ]; do echo $i; i=$((i+1)); done; echo done > /tmp/done', {
      buffer: false,
    });
    const stdout = execution.stdout ?? new PassThrough();
    await once(stdout, 'readable');
    await until('the stream is full', () => stdout.readableLength > 0);
    const all = await text(stdout);
    expect(all).toBe(lines(...Array.from({ length: 4000 }, (_, i) => String(i))));
    expect(await execution).toMatchObject({ status: 'ok', stdout: '' });
  });

  it('has lines', async () => {
    const seenLines: string[] = [];
    const { execution } = await atTerminal('echo one; echo two >&2');
    for await (const line of execution) seenLines.push(line);
    expect(seenLines).toEqual(['one', 'two']);
    const { execution: all } = await atTerminal('echo one');
    for await (const line of all.lines('all')) expect(line).toBe('one');
    await expect(all.lines('stderr')[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'ERR_STATE' });
    await all;
  });

  it('has a limit', async () => {
    const result = await sh('yes', { tty, maxBuffer: 1000 });
    expect(result).toMatchObject({ status: 'output-limit', isMaxBuffer: true });
    expect(result.stdout).toHaveLength(1000);
  });

  it('goes to every place that output can go to', async () => {
    const [file, other] = [join(folder, 'output'), join(folder, 'other')];
    expect(await sh('echo to a file', { tty, stdout: { file } })).toMatchObject({ status: 'ok', stdout: '' });
    expect(readFileSync(file, 'utf8')).toBe(lines('to a file'));
    await sh('echo more', { tty, stdout: { file, append: true } });
    expect(readFileSync(file, 'utf8')).toBe(lines('to a file', 'more'));
    const fd = openSync(other, 'w');
    const stream = new PassThrough();
    const streamed = text(stream);
    const result = await sh('echo to all', { tty, stdout: ['pipe', fd, stream, { file }, createWriteStream(join(folder, 'third'))] });
    closeSync(fd);
    expect(result.stdout).toBe(lines('to all'));
    expect([await streamed, readFileSync(other, 'utf8'), readFileSync(file, 'utf8')]).toEqual(Array(3).fill(lines('to all')));
    await until('the third is written', () => readFileSync(join(folder, 'third'), 'utf8') === lines('to all'));
    expect(await sh('head -c 200000 /dev/zero', { tty, stdout: 'ignore' })).toMatchObject({ status: 'ok', stdout: '' });
    const { execution } = await atTerminal('true', { stdout: 'ignore' });
    expect([execution.stdout, execution.stderr]).toEqual([null, null]);
    await execution;
  });
});

describe('its input', () => {
  it('is what is written, with its echo and its end', async () => {
    expect(await output('cat', { tty, input: 'größe\n' })).toBe(lines('größe', 'größe').trimEnd());
    expect(await output('stty -echo; cat; echo .', { tty, input: '' })).toBe('.');
    expect(await sh('cat', { tty, input: 'half a line' })).toMatchObject({ status: 'ok' });
    writeFileSync(join(folder, 'input'), 'of a file\n');
    expect(await output('cat', { tty, stdin: { file: join(folder, 'input') } })).toContain('of a file');
    expect(await output('cat', { tty, stdin: createReadStream(join(folder, 'input')) })).toContain('of a file');
  });

  it('is open, and nothing comes, when it is ignored', async () => {
    const { execution } = await atTerminal('test -t 0 && timeout 0.3 cat 2>&1; echo $?', { stdin: 'ignore' });
    expect(execution.stdin).toBeNull();
    expect((await execution).stdout).toMatch(/143\r\n$/);
  });

  it('comes back as it went in, however much it is', async () => {
    const bytes = randomBytes(1 << 20);
    const { execution } = await atTerminal(`stty raw -echo; echo ready; head -c ${bytes.length} | sha256sum; echo end`);
    await untilSeen(execution.stdout, 'ready');
    execution.stdin?.write(bytes);
    expect((await execution).stdout).toContain(createHash('sha256').update(bytes).digest('hex'));
  });

  it.each([{}, { init: true }])('interrupts the program in the foreground: %j', async (options) => {
    const script = 'trap "echo interrupted; exit 5" INT; echo ready; while :; do sleep 0.05; done';
    const { execution } = await atTerminal(script, options);
    await untilSeen(execution.stdout, 'ready');
    execution.stdin?.write('\x03');
    expect(await execution).toMatchObject({ stdout: lines('ready', '^Cinterrupted'), exitCode: 5 });
  });
});

describe('resize', () => {
  const script = 'trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.05; done';

  it.each([{}, { init: true }])('tells the program: %j', async (options) => {
    const { execution } = await atTerminal(script, { ...options });
    await untilSeen(execution.stdout, 'ready');
    await execution.resize({ columns: 132, rows: 43 });
    expect((await execution).stdout).toBe(lines('ready', '43 132'));
    await expect(execution.resize(tty)).rejects.toMatchObject({ code: 'ERR_STATE' });
  });

  it('of what has no terminal, or of no size, is an error', async () => {
    const { execution } = await atTerminal('sleep 1000', { tty: false });
    await expect(execution.resize(tty)).rejects.toMatchObject({ code: 'ERR_STATE', message: expect.stringContaining("'tty'") });
    for (const size of [
      { columns: 0, rows: 1 },
      { columns: 1, rows: 65_536 },
      { columns: 1.5, rows: 1 },
    ]) {
      await expect(execution.resize(size)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    }
    await execution.kill();
    await execution;
    const refused = Container.run({ tty: true });
    await expect(refused.resize(tty)).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
  });
});

describe('what can not be', () => {
  it('is refused where nothing confines the program', async () => {
    const namespace = await Namespace.of('self', 'uts');
    await expect(namespace.run(['true'], { ...({ tty: true } as object) })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining('tty'),
    });
    await namespace.close();
  });

  it('is an error where /dev/pts is none', async () => {
    const mounts = (target: string): RunOptions => ({ tty, mounts: [{ type: 'tmpfs', target }] });
    await expect(sh('true', mounts('/dev/pts'))).rejects.toMatchObject({ code: 'ENOTTY', step: 'open_terminal' });
    await expect(sh('true', mounts('/dev'))).rejects.toMatchObject({ code: 'ENOENT', step: 'open_terminal' });
  });

  it('ends when it is cancelled before it runs', async () => {
    expect(await sh('true', { tty, cancelSignal: AbortSignal.abort() })).toMatchObject({ status: 'canceled', stdout: '' });
    await expect(sh('true', { tty, command: ['/no/such/program'] })).rejects.toMatchObject({ code: 'ENOENT' });
    const container = await Container.create({ ...(await busybox()), command: ['true'], tty: true });
    await container.remove();
  });
});

describe('a hostile container', () => {
  const mighty: RunOptions = { capAdd: ['SYS_ADMIN'], seccomp: 'unconfined' };

  it.each([
    ['mounts a FIFO on ptmx', 'mkfifo /tmp/f; mount --bind /tmp/f /dev/pts/ptmx', 'EXDEV'],
    ['mounts the null device on ptmx', 'mount --bind /dev/null /dev/pts/ptmx', 'EXDEV'],
    ['takes the devpts away', 'umount /dev/pts', 'ENOTTY'],
    ['mounts something else', 'mount -t tmpfs none /dev/pts; mkfifo /dev/pts/ptmx', 'ENOTTY'],
    ['makes a link of the folder', 'umount /dev/pts; rmdir /dev/pts; mkdir /tmp/p; mkfifo /tmp/p/ptmx; ln -s /tmp/p /dev/pts', 'ENOTTY'],
    ['makes a link of it that leads to itself', 'umount /dev/pts; rmdir /dev/pts; ln -s pts /dev/pts', 'ELOOP'],
  ])('that %s gets a program no terminal, and holds nobody up', async (_, attack, code) => {
    const container = await running(mighty);
    expect((await container.exec(['sh', '-c', attack])).status).toBe('ok');
    await expect(container.exec(['true'], { tty })).rejects.toMatchObject({ code, step: 'open_terminal' });
    await container.remove({ force: true });
  });

  it('has no master of its own terminal', async () => {
    const list = 'for f in /proc/[0-9]*/fd/*; do readlink $f; done | grep -v ^pipe: | sort -u';
    expect(await output(list, { tty, init: true })).not.toMatch(/ptmx/);
    const container = await running({ tty });
    const { stdout } = await container.exec(['sh', '-c', list], { tty });
    expect(stdout).not.toMatch(/ptmx/);
    expect(stdout).toContain('/dev/pts/1');
    await container.remove({ force: true });
  });

  it('ends though somebody outside its tree keeps the terminal open', async () => {
    const container = await running();
    // the second program opens the terminal of the first, and outlives it
    const first = container.exec(['sh', '-c', 'tty; chmod 666 $(tty); read line; echo bye'], { tty });
    await untilSeen(first.stdout, '/dev/pts/0');
    const second = container.exec(['sh', '-c', 'exec 3>/dev/pts/0; echo open; while :; do echo more >&3; done']);
    await see(second.stdout, 'open');
    first.stdin?.write('\n');
    expect((await first).stdout).toContain('bye');
    await second.kill();
    await second;
    await container.remove({ force: true });
  });
});

describe('in a Worker', () => {
  it('it works, and ends with the Worker', async () => {
    expect(await runNode('terminal-worker')).toEqual({ stdout: '24 80\r\n', gone: true });
  });
});
