import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { IS_THERE, RUNS, SETTING_UP, WAITS } from '../../../lib/runtime-cli/debug-words.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { useResidentPlanner } from '../../fixtures/resident-planner.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc'] });
const folder = temporaryFolder();
const { oci, runc } = useRuntimes(folder);
const planner = useResidentPlanner();
const file = join(folder, 'log');

const WORDS = [SETTING_UP, IS_THERE, WAITS];

/** Lines of one level, by what each is. */
function levels(text: string): string[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => (line.startsWith('{') ? JSON.parse(line).level : (/^time="\S+" level=(\w+) msg=/.exec(line)?.[1] ?? line)));
}

describe('--debug', () => {
  const bundle = makeBundle(folder, ['busybox', 'echo', 'hello']);

  it('tells of the way of a command on standard error, as runc does', async () => {
    for (const runtime of [oci, runc, planner.oci]) {
      const { code, stdout, stderr } = await runtime('--debug', 'run', '--bundle', bundle, 'one');
      expect([code, stdout]).toEqual([0, 'hello\n']);
      for (const words of WORDS) expect(stderr).toContain(words);
      expect(new Set(levels(stderr))).toEqual(new Set(['debug']));
      expect((await runtime('run', '--bundle', bundle, 'one')).stderr).toBe('');
    }
  });

  it.each([[[]], [['--log-format', 'text']], [['--log-format', 'json']]])(
    'tells of it in the file of --log alone, with %j',
    async (format) => {
      for (const runtime of [oci, runc, planner.oci]) {
        rmSync(file, { force: true });
        expect(await runtime('--log', file, ...format, '--debug', 'run', '--bundle', bundle, 'one')).toEqual({
          ...{ code: 0, stdout: 'hello\n', stderr: '' },
        });
        const text = readFileSync(file, 'utf8');
        for (const words of WORDS) expect(text).toContain(words);
        expect(levels(text)).toContain('debug');
        // what fails comes last, and is an error
        const failed = await runtime('--log', file, ...format, '--debug', 'run', '--bundle', join(folder, 'none'), 'one');
        expect(failed.code).toBe(1);
        expect(levels(readFileSync(file, 'utf8')).at(-1)).toBe('error');
      }
    },
  );

  it('tells of a program of exec', async () => {
    expect(await oci('run', '--detach', '--bundle', makeBundle(folder, ['busybox', 'sleep', '1000']), 'one')).toMatchObject({ code: 0 });
    const { code, stdout, stderr } = await oci('--debug', 'exec', 'one', 'busybox', 'echo', 'hello');
    expect([code, stdout]).toEqual([0, 'hello\n']);
    for (const words of [SETTING_UP, IS_THERE, RUNS]) expect(stderr).toContain(words);
    expect(stderr).not.toContain('affinity');
    const process = join(folder, 'process.json');
    writeFileSync(process, JSON.stringify({ args: ['busybox', 'true'], cwd: '/', env: ['PATH=/bin'], execCPUAffinity: { initial: '0' } }));
    expect((await oci('--debug', 'exec', '--process', process, 'one')).stderr).toMatch(/nsexec.*: affinity: 0x1"/);
    expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0 });
  });
});
