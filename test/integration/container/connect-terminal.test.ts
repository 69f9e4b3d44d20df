import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { Container, connectTerminal } from '../../../lib/index.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['script', 'bash', 'vi', 'top', 'busybox', 'ps'] });
const folder = temporaryFolder();
const root = fileURLToPath(new URL('../../..', import.meta.url));
let count = 0;

/** A real terminal, by script(1), in which a shell runs the fixture and notes the terminal's settings before and after. */
class Outer {
  readonly #child: ChildProcess;
  readonly #notes: string;
  #shown = '';
  #looked = 0;

  constructor(mode: string, ...program: string[]) {
    this.#notes = join(folder, String(count++));
    const bundled = process.env.NACELLE_TEST_PROGRAMS;
    const fixture = bundled
      ? [join(bundled, 'connect-terminal.js')]
      : ['--import', 'tsx', join(root, 'test/fixtures/programs/connect-terminal.ts')];
    const quoted = [execPath, ...fixture, mode, ...program].map((word) => `'${word}'`).join(' ');
    const note = (name: string): string => `stty -a > ${this.#notes}.${name}`;
    const script = `tty > ${this.#notes}.tty; stty rows 30 cols 100; ${note('before')}; ${quoted}; echo "code: $?"; ${note('after')}`;
    this.#child = spawn('script', ['-qfc', script, '/dev/null'], { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.stdout?.on('data', (chunk) => {
      this.#shown += String(chunk);
    });
    onTestFinished(() => void this.#child.kill());
  }

  /** Waits for words that were not seen yet. */
  async see(words: string | RegExp): Promise<string> {
    await until(
      `${words} is shown, not only ${JSON.stringify(this.#shown.slice(this.#looked))}`,
      () => {
        const rest = this.#shown.slice(this.#looked);
        const at = typeof words === 'string' ? rest.indexOf(words) : rest.search(words);
        if (at < 0) return false;
        this.#looked += at + 1;
        return true;
      },
      30_000,
    );
    return this.#shown;
  }

  type(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  get tty(): string {
    return readFileSync(`${this.#notes}.tty`, 'utf8').trim();
  }

  /** The pid of the fixture. */
  async node(): Promise<number> {
    const ps = spawn('ps', ['-o', 'pid=,args=', '-t', this.tty.replace('/dev/', '')], { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    for await (const chunk of ps.stdout) text += String(chunk);
    return Number(
      text
        .split('\n')
        .find((line) => line.includes(`${execPath} `) && !line.includes('sh -c'))
        ?.trim()
        .split(' ')[0],
    );
  }

  /** Waits for the end of the fixture, and says what differs in the terminal's settings. */
  async over(): Promise<{ shown: string; changed: boolean }> {
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    const [before, after] = ['before', 'after'].map((name) =>
      readFileSync(`${this.#notes}.${name}`, 'utf8').replace(/rows \d+; columns \d+/, ''),
    );
    return { shown: this.#shown, changed: before !== after };
  }
}

describe('a real terminal, connected with a program', () => {
  it('bash: echo, Ctrl-C, Ctrl-Z and fg, a new size, its end', async () => {
    const outer = new Outer('plain', 'bash', '--norc', '-i');
    await outer.see('inside$ ');
    outer.type('stty size\r');
    await outer.see('30 100');
    outer.type("echo st''arted; cat\r");
    await outer.see('started\r\n');
    outer.type('one\r');
    await outer.see(/one\r\n.*one\r\n/s);
    outer.type('\x1a');
    await outer.see('Stopped');
    outer.type('fg\r');
    await outer.see(/fg\r\n.*cat\r\n/s);
    outer.type('two\r');
    await outer.see(/two\r\n.*two\r\n/s);
    outer.type('\x03');
    await outer.see('inside$ ');
    outer.type("trap 'stty size' WINCH; echo tra''pped\r");
    await outer.see('trapped');
    await once(spawn('stty', ['-F', outer.tty, 'rows', '40', 'cols', '120'], { stdio: 'inherit' }), 'exit');
    await outer.see('40 120');
    outer.type('exit 4\r');
    await outer.see('outcome: ended, exited with 4');
    expect(await outer.over()).toMatchObject({ changed: false, shown: expect.stringContaining('code: 0') });
    expect((await outer.over()).shown).not.toMatch(/no job control|cannot set terminal/);
  });

  it('vi: a text is written', async () => {
    const outer = new Outer('plain', 'bash', '--norc', '-c', 'vi -u NONE /tmp/text; sed s/hello/good-bye/ /tmp/text');
    await outer.see('~');
    outer.type('ihello');
    await outer.see('hello');
    outer.type('\x1b:wq\r');
    await outer.see('good-bye');
    await outer.see('outcome: ended');
    expect((await outer.over()).changed).toBe(false);
  });

  it('top: it is shown, and a key ends it', async () => {
    const outer = new Outer('plain', 'top');
    await outer.see('PID');
    outer.type('q');
    await outer.see('outcome: ended');
    expect((await outer.over()).changed).toBe(false);
  });

  it('is left by the detach keys, while the program goes on, and connected again', async () => {
    const outer = new Outer('again', 'bash', '--norc', '-i');
    await outer.see('inside$ ');
    outer.type('\x10\x11');
    await outer.see('outcome: detached, running');
    outer.type('echo ag""ain; exit\r');
    await outer.see('again');
    await outer.see('outcome: ended');
    expect((await outer.over()).changed).toBe(false);
  });

  it('is left by keys of the caller’s, which are sent when they are half', async () => {
    const outer = new Outer('keys', 'bash', '--norc', '-c', 'read -rsn2 keys; printf %q "$keys"; sleep 1000');
    // until it reads, its terminal would show what is typed
    await until(
      'bash reads',
      async () => (await outer.see('').then(() => true)) && Number.isInteger(await outer.node().catch(() => Number.NaN)),
    );
    outer.type('\x18');
    outer.type('z');
    await outer.see('\\030z');
    outer.type('\x18y');
    await outer.see('outcome: detached');
    expect((await outer.over()).changed).toBe(false);
  });

  it.each([
    ['throw', 'as asked'],
    ['exit', 'code: 3'],
  ])('is as before when Node ends by %s', async (mode, seen) => {
    const outer = new Outer(mode, 'bash', '--norc', '-i');
    await outer.see(seen);
    expect((await outer.over()).changed).toBe(false);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
  ] as const)('is as before when Node ends by %s', async (signal, code) => {
    const outer = new Outer('plain', 'bash', '--norc', '-i');
    await outer.see('inside$ ');
    process.kill(await outer.node(), signal);
    expect(await outer.over()).toMatchObject({ changed: false, shown: expect.stringContaining(`code: ${code}`) });
  });
});

describe('what can not be connected', () => {
  it('is a stream that is no terminal, keys that are none, a program without output or that never ran', async () => {
    const container = await Container.create({ ...(await busybox()), command: ['true'], tty: true, stdout: 'ignore' });
    const terminal = Object.assign(new PassThrough(), { isTTY: true, fd: 0 }) as never;
    await expect(connectTerminal(container, { stdin: new PassThrough() as never })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(connectTerminal(container, { stdin: terminal, detachKeys: 'x-y' })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await expect(connectTerminal(container, { stdin: terminal })).rejects.toMatchObject({ code: 'ERR_STATE' });
    await container.remove();
    const never = Container.run({ ...(await busybox()), command: ['/no/such'], tty: true });
    await expect(connectTerminal(never, { stdin: terminal })).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(never).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
