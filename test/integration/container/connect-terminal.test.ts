import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { expect } from 'vitest';
import { Container, connectTerminal } from '../../../lib/index.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { OUTER_TOOLS, OuterTerminal } from '../../fixtures/outer-terminal.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: [...OUTER_TOOLS, 'bash', 'vi', 'top', 'busybox'] });

describe('a real terminal, connected with a program', () => {
  it('bash: echo, Ctrl-C, Ctrl-Z and fg, a new size, its end', async () => {
    const outer = new OuterTerminal('plain', 'bash', '--norc', '-i');
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
    await outer.see('inside$ ');
    await once(spawn('stty', ['-F', outer.tty, 'rows', '40', 'cols', '120'], { stdio: 'inherit' }), 'exit');
    // bash runs a trap at once where it waits for a key, and after the next line where it was just about to. stty sets rows, then columns: of these nobody
    // tells bash while the trap's own program is in the foreground
    const again = (line: string): (() => void) => {
      const lines = setInterval(() => outer.type(line), 100);
      return () => clearInterval(lines);
    };
    await outer.see(/40 1[02]0/).finally(again('\r'));
    await outer.see('40 120').finally(again('stty size\r'));
    outer.type('\r');
    await outer.see('inside$ ');
    outer.type('exit 4\r');
    await outer.see('outcome: ended, exited with 4');
    expect(await outer.over()).toMatchObject({ changed: false, shown: expect.stringContaining('code: 0') });
    expect((await outer.over()).shown).not.toMatch(/no job control|cannot set terminal/);
  });

  it('vi: a text is written', async () => {
    const outer = new OuterTerminal('plain', 'bash', '--norc', '-c', 'vi -u NONE /tmp/text; sed s/hello/good-bye/ /tmp/text');
    await outer.see('~');
    outer.type('ihello');
    await outer.see('hello');
    outer.type('\x1b:wq\r');
    await outer.see('good-bye');
    await outer.see('outcome: ended');
    expect((await outer.over()).changed).toBe(false);
  });

  it('top: it is shown, and a key ends it', async () => {
    const outer = new OuterTerminal('plain', 'top');
    await outer.see('PID');
    outer.type('q');
    await outer.see('outcome: ended');
    expect((await outer.over()).changed).toBe(false);
  });

  it('is left by the detach keys, while the program goes on, and connected again', async () => {
    const outer = new OuterTerminal('again', 'bash', '--norc', '-i');
    await outer.see('inside$ ');
    outer.type('\x10\x11');
    await outer.see('outcome: detached, running');
    outer.type('echo ag""ain; exit\r');
    await outer.see('again');
    await outer.see('outcome: ended');
    expect((await outer.over()).changed).toBe(false);
  });

  it('is left by keys of the caller’s, which are sent when they are half', async () => {
    const outer = new OuterTerminal('keys', 'bash', '--norc', '-c', 'read -rsn2 keys; printf %q "$keys"; sleep 1000');
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
    const outer = new OuterTerminal(mode, 'bash', '--norc', '-i');
    await outer.see(seen);
    expect((await outer.over()).changed).toBe(false);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
    ['SIGQUIT', 131],
  ] as const)('is as before when Node ends by %s', async (signal, code) => {
    const outer = new OuterTerminal('plain', 'bash', '--norc', '-i');
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
