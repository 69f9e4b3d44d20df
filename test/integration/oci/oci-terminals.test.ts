import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { useResidentPlanner } from '../../fixtures/resident-planner.js';
import { called, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc', 'script', 'setsid', 'stty', 'tty'] });
const folder = temporaryFolder();
const { oci, states } = useRuntimes(folder);

const planner = useResidentPlanner();

const OURS = `'${process.execPath}' '${programFile('nacelle-oci')}' --root '${states}'`;
const RUNC = `runc --root '${join(folder, 'runc')}'`;

/** A terminal of 30 lines by script(1), in which a command runs, and the terminal's settings before and after it. */
function atTerminal(command: string) {
  const notes = join(folder, `notes-${Math.random()}`);
  const script = `tty > '${notes}.tty'; stty rows 30 cols 100; stty -a > '${notes}.before'; ${command}; echo "code: $?"; stty -a > '${notes}.after'`;
  const child = spawn('script', ['-qfc', script, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill());
  let shown = '';
  child.stdout.on('data', (chunk) => {
    shown += String(chunk);
  });
  const settings = (name: string): string => readFileSync(`${notes}.${name}`, 'utf8').replace(/rows \d+; columns \d+/, '');
  return {
    see: (words: string) => until(`${words} is shown`, () => shown.includes(words), 60_000),
    type: (keys: string) => void child.stdin.write(keys),
    resize: (rows: number) => execFileSync('stty', ['-F', readFileSync(`${notes}.tty`, 'utf8').trim(), 'rows', String(rows)]),
    over: async () => {
      if (child.exitCode === null) await once(child, 'exit');
      return { shown, isAsBefore: settings('before') === settings('after') };
    },
  };
}

/** Tells its size, reads a line, waits for another size, and ends. */
const PROGRAM = [
  // runc tells the size when the program runs already
  'until test "$(busybox stty size)" = "30 100"; do :; done; busybox stty size; busybox tty; test -c /dev/console; echo "console $?"; echo ready; read line; echo "got <$line>"',
  'while test "$(busybox stty size)" = "30 100"; do :; done; busybox stty size; exit 7',
].join('; ');

describe.each([
  ['run', (runtime: string, bundle: string) => `${runtime} run --bundle ${bundle} one`],
  ['exec', (runtime: string) => `${runtime} exec -t two sh -c '${PROGRAM}'`],
] as const)('a terminal in the foreground of %s', (name, command) => {
  it('is shown at the caller’s own, as runc’s', async () => {
    const bundle = makeBundle(folder, ['sh', '-c', PROGRAM], ({ process }) => Object.assign(process, { terminal: true }));
    const sleeper = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const shows = async (runtime: string): Promise<string> => {
      const before = name === 'exec' ? `${runtime} run -d --bundle ${sleeper} two > /dev/null 2>&1 < /dev/null; ` : '';
      const after = name === 'exec' ? `; echo "code: $?"; ${runtime} delete --force two` : '';
      const outer = atTerminal(`${before}${command(runtime, bundle)}${after}`);
      await outer.see('ready');
      outer.type('typed\x7f\x7fd line\r');
      await outer.see('got <');
      outer.resize(40);
      const { shown, isAsBefore } = await outer.over();
      expect(isAsBefore).toBe(true);
      return shown.slice(shown.indexOf('30 100'));
    };
    const ours = await shows(OURS);
    expect(ours).toContain('got <typd line>\r\n40 100\r\ncode: 7\r\n');
    expect(ours).toBe(await shows(RUNC));
  });
});

describe('a terminal in the foreground whose output is a pipe', () => {
  it('has the newlines of the program there, as with runc', async () => {
    const bundle = makeBundle(folder, ['sh', '-c', 'echo one; echo two'], ({ process }) => Object.assign(process, { terminal: true }));
    const shows = async (runtime: string): Promise<string> =>
      (await atTerminal(`${runtime} run --bundle ${bundle} piped | cat -A`).over()).shown.replaceAll('\r\n', '\n').replace('code: 0\n', '');
    expect([await shows(OURS), await shows(RUNC)]).toEqual(['one$\ntwo$\n', 'one$\ntwo$\n']);
  });
});

describe('a terminal in the foreground whose input is none', () => {
  // runc tells the size when the program runs already
  const SIZE = 'until test "$(busybox stty size 2> /dev/null)" = "30 100"; do :; done; busybox tty';
  it.each([
    ['a pipe', (run: string) => `echo typed | ${run}`, `${SIZE}; read line; echo "got <$line>"; exit 7`],
    ['nothing', (run: string) => `${run} < /dev/null`, `${SIZE}; exit 7`],
    ['nothing, and output is a pipe', (run: string) => `${run} < /dev/null | cat -A; (exit 7)`, `${SIZE}; exit 7`],
    ['nothing, and all output goes elsewhere', (run: string) => `${run} < /dev/null 2>&1 | cat -A; (exit 7)`, `${SIZE}; exit 7`],
  ])('shows what is typed there: %s, as with runc', async (_, through, program) => {
    const bundle = makeBundle(folder, ['sh', '-c', program], ({ process }) => Object.assign(process, { terminal: true }));
    const shows = async (runtime: string): Promise<string> => {
      const { shown, isAsBefore } = await atTerminal(through(`${runtime} run --bundle ${bundle} one`)).over();
      expect(isAsBefore).toBe(true);
      // what cat(1) writes comes while the terminal is raw or after that, and the terminal echoes a line when that comes
      const lines = shown.replaceAll('\r', '').split('\n');
      return [...lines.filter((line) => line === 'typed'), ...lines.filter((line) => line !== 'typed')].join('\n');
    };
    const ours = await shows(OURS);
    expect(ours).toContain('code: 7');
    expect(ours).toBe(await shows(RUNC));
  });
});

describe('a terminal in the foreground whose output nobody reads any more', () => {
  it.each(['', ' < /dev/null'])('does not keep the program from its end%s', async (input) => {
    const bundle = makeBundle(folder, ['sh', '-c', 'busybox seq 100000; echo > /ended'], (config) => {
      Object.assign(config.process, { terminal: true });
      config.root = { path: 'rootfs', readonly: false };
    });
    const outer = atTerminal(`{ ${OURS} run --bundle ${bundle} one${input}; echo "code: $?" >&2; } | head -n 1`);
    const { shown, isAsBefore } = await outer.over();
    expect([shown, isAsBefore]).toEqual([expect.stringMatching(/^1\r?\n[\s\S]*EPIPE[\s\S]*code: 1\r\n/), true]);
    expect(existsSync(join(bundle, 'rootfs/ended'))).toBe(true);
  });
});

describe('a terminal in the foreground of a container with hooks of the runtime', () => {
  it.each(['prestart', 'createRuntime'])('is shown: %s', async (kind) => {
    const bundle = makeBundle(folder, ['sh', '-c', 'echo one; read line; echo "got <$line>"'], (config) => {
      Object.assign(config.process, { terminal: true });
      config.hooks = { [kind]: [{ path: '/bin/sh', args: ['sh', '-c', 'true'] }] };
    });
    const shows = async (runtime: string): Promise<string> => {
      const outer = atTerminal(`${runtime} run --bundle ${bundle} hooked`);
      await outer.see('one');
      outer.type('line\r');
      return (await outer.over()).shown.replaceAll('\r\n', '\n');
    };
    const ours = await shows(OURS);
    expect(ours).toContain('got <line>\ncode: 0\n');
    expect(ours).toBe(await shows(RUNC));
  });
});

describe('a terminal that nobody could be shown', () => {
  it('is refused before anything is made', async () => {
    const bundle = makeBundle(folder, ['true'], ({ process }) => Object.assign(process, { terminal: true }));
    // nor is there one that controls its session
    const call = await called('setsid', [
      '--wait',
      process.execPath,
      programFile('nacelle-oci'),
      '--root',
      states,
      'run',
      '--bundle',
      bundle,
      'one',
    ]);
    expect(call).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot allocate tty: the runtime has no terminal') });
    expect(await oci('run', '--detach', '--bundle', bundle, 'one')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('cannot allocate tty if runc will detach without setting console socket'),
    });
    expect((await oci('list', '-q')).stdout).toBe('');
  });
});

describe('a program of exec whose number can not be noted', () => {
  it('is killed, and the caller’s terminal is given back', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    const pidFile = join(folder, 'none/pid');
    expect(await oci('run', '-d', '--bundle', bundle, 'one')).toMatchObject({ code: 0 });
    const { shown, isAsBefore } = await atTerminal(`${OURS} exec -t --pid-file '${pidFile}' one busybox sleep 1001`).over();
    expect([shown, isAsBefore]).toEqual([expect.stringMatching(/none\/pid[\s\S]*code: 255\r\n$/), true]);
    expect(await oci('exec', '-d', '--pid-file', pidFile, 'one', 'busybox', 'sleep', '1001')).toMatchObject({
      code: 255,
      stderr: expect.stringContaining('none/pid'),
    });
    const processes = async (): Promise<unknown[]> => JSON.parse((await oci('ps', '--format', 'json', 'one')).stdout);
    await until('the first process is alone', async () => (await processes()).length === 1);
    await oci('delete', '--force', 'one');
  });
});

describe('a program of exec where a planner stays', () => {
  it.each([
    ['a standard stream', ''],
    // runc finds it there too
    ['the session', ' < /dev/null 2>&1 | cat; (exit 7)'],
  ])('is shown at the caller’s terminal, that of %s, by a Node that has it', async (_, through) => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    await planner.resident();
    expect(await planner.oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 0 });
    planner.started();
    const exec = `'${planner.front}' --root '${planner.states}' exec -t one sh -c 'busybox tty; busybox stty size; exit 7'`;
    const { shown } = await atTerminal(`${exec}${through}`).over();
    expect(shown.replaceAll('\r', '')).toBe('/dev/pts/0\n30 100\ncode: 7\n');
    expect(planner.started()).toHaveLength(1);
  });
});
