import { expect } from 'vitest';
import type { Execution } from '../../../lib/index.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { live } from '../../fixtures/live.js';
import { requires } from '../../fixtures/requires.js';
import { rounds } from '../../fixtures/rounds.js';
import { output } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });

/** All that was seen of a program's terminal until now. */
function seenOf({ stdout }: Execution): () => string {
  let seen = '';
  stdout?.on('data', (chunk) => {
    seen += String(chunk);
  });
  return () => seen;
}

describe('sizes', () => {
  it.each([
    [1, 1],
    [65_535, 1],
    [1, 65_535],
    [65_535, 65_535],
  ])('%s by %s, before the start and after', async (columns, rows) => {
    // busybox's stty tells the size of a terminal that it finds too small, or too large, as 80 by 24
    const image = 'host';
    expect(await output('stty size', { image, tty: { columns, rows } })).toBe(`${rows} ${columns}`);
    await using container = await live({ image });
    const program = container.exec(['sh', '-c', 'read x; stty size'], { tty: true });
    await program.resize({ columns, rows });
    program.stdin?.write('\n');
    expect((await program).stdout).toBe(`\r\n${rows} ${columns}\r\n`);
  });

  it('hundreds in a row, nobody waiting for one: the last one stays, whatever the program writes meanwhile', async () => {
    await using container = await live();
    const script = 'trap : WINCH; i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done; until read x; do :; done; stty size';
    const program = container.exec(['sh', '-c', script], { tty: true });
    const seen = seenOf(program);
    const resized: Promise<void>[] = [];
    for (let columns = 1; columns <= 500; columns++) resized.push(program.resize({ columns, rows: 1000 - columns }));
    await Promise.all(resized);
    // a read that the signal interrupts begins anew, or ends
    await until('all was written', () => seen().includes('1999\r\n'));
    program.stdin?.write('\n');
    const { stdout } = await program;
    expect(stdout.replace(/\r\n/g, '\n')).toMatch(/(?:^|\n)1999\n+500 500\n$/);
    expect(stdout.split('\r\n').slice(0, 2000)).toEqual(Array.from({ length: 2000 }, (_, i) => String(i)));
  });

  it('are each terminal’s own', async () => {
    await using container = await live();
    const programs = Array.from({ length: 8 }, () => container.exec(['sh', '-c', 'read x; tty; stty size'], { tty: true }));
    await Promise.all(programs.map((program, i) => program.resize({ columns: 100 + i, rows: 50 + i })));
    for (const program of programs) program.stdin?.write('\n');
    const shown = await Promise.all(programs.map(async (program) => (await program).stdout.split('\r\n')));
    expect(shown.map(([, , size]) => size)).toEqual(programs.map((_, i) => `${50 + i} ${100 + i}`));
    expect(new Set(shown.map(([, tty]) => tty)).size).toBe(programs.length);
  });

  it('at the moment of the end: each call is answered', async () => {
    await using container = await live();
    for (let round = 0; round < rounds(20, 200); round++) {
      const program = container.exec(['sh', '-c', `usleep ${Math.floor(Math.random() * 5000)}`], { tty: true });
      await program.pid;
      const answers: Promise<PromiseSettledResult<void>[]>[] = [];
      let isOver = false;
      const ended = program.then((result) => {
        isOver = true;
        return result;
      });
      while (!isOver) {
        answers.push(Promise.allSettled([program.resize({ columns: 10, rows: 10 })]));
        await new Promise(setImmediate);
      }
      expect(await ended).toMatchObject({ status: 'ok', stdout: '' });
      for (const [answer] of await Promise.all(answers)) {
        if (answer?.status === 'rejected') expect(answer.reason).toMatchObject({ code: 'ERR_STATE' });
      }
    }
  });
});

describe('an end', () => {
  it('by kill() while it is typed at and writes: the streams end without an error', async () => {
    await using container = await live();
    for (let round = 0; round < rounds(10, 200); round++) {
      const shell = container.exec(['sh'], { tty: true });
      const errors: unknown[] = [];
      for (const stream of [shell.stdin, shell.stdout]) stream?.on('error', (error: unknown) => errors.push(error));
      const seen = seenOf(shell);
      let isOver = false;
      const ended = shell.finally(() => {
        isOver = true;
      });
      const typing = (async () => {
        while (!isOver) {
          shell.stdin?.write('echo foo\r'.repeat(50));
          await new Promise(setImmediate);
        }
      })();
      await until('the shell answers', () => seen().includes('foo\r\n'));
      await shell.kill();
      expect(await ended).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
      await typing;
      expect(shell.stdout?.readableEnded || shell.stdout?.destroyed).toBe(true);
      expect(errors).toEqual([]);
    }
  });

  it('by a hang-up, which a program has as it came into the world, whatever Node ignores', async () => {
    const ignored = process.listeners('SIGHUP');
    const ignore = (): void => undefined;
    process.on('SIGHUP', ignore);
    process.on('SIGINT', ignore);
    try {
      await using container = await live();
      const { stdout } = await container.exec(['grep', '-E', '^Sig(Blk|Ign|Cgt)', '/proc/self/status'], { tty: true });
      expect(stdout.replace(/\s+/g, ' ')).toBe('SigBlk: 0000000000000000 SigIgn: 0000000000000000 SigCgt: 0000000000000000 ');
      for (const signal of ['SIGHUP', 'SIGINT'] as const) {
        const program = container.exec(['sleep', '1000'], { tty: true });
        await program.pid;
        await program.kill(signal);
        expect(await program).toMatchObject({ status: 'signalled', signal });
      }
    } finally {
      process.off('SIGHUP', ignore);
      process.off('SIGINT', ignore);
    }
    expect(process.listeners('SIGHUP')).toEqual(ignored);
  });
});

it('characters of several bytes are whole, wherever the pieces are cut', async () => {
  const text = 'äöü€😀'.repeat(5000);
  expect(await output('cat /t/text', { tty: true, copyIn: { '/t/text': text } })).toBe(text);
});

it('twenty at once have a terminal each, and what is typed at one goes to nobody else', async () => {
  await using container = await live();
  const programs = Array.from({ length: 20 }, () =>
    container.exec(['sh', '-c', 'stty -echo; echo ready; read line; echo "$line"; tty'], { tty: true }),
  );
  await Promise.all(
    programs.map(async (program) => {
      const seen = seenOf(program);
      await until('it reads', () => seen().includes('ready\r\n'));
    }),
  );
  // all are there: the terminal of one that has ended would be another's
  for (const [i, program] of programs.entries()) program.stdin?.write(`line ${i}\n`);
  const shown = await Promise.all(programs.map(async (program) => (await program).stdout.split('\r\n')));
  expect(shown.map(([, line]) => line)).toEqual(programs.map((_, i) => `line ${i}`));
  expect(new Set(shown.map(([, , tty]) => tty)).size).toBe(20);
});
