import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect } from 'vitest';
import { bundle } from '../fixtures/bundle.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { patience } from '../fixtures/patience.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

/** Against a run that hangs. */
const GUARD_MS = 120_000 * patience;

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();

useLeakCheck();
const { describe, it } = requires({ root: true });

/** The checks as a program of somebody else's has them, who installed the package. */
beforeAll(() => {
  mkdirSync(join(folder, 'node_modules'));
  for (const [name, target] of [
    ['nacelle', root],
    ['vitest', join(root, 'node_modules', 'vitest')],
  ] as const) {
    symlinkSync(target, join(folder, 'node_modules', name));
  }
  writeFileSync(join(folder, 'package.json'), '{}');
  const checks = fileURLToPath(new URL('../fixtures/runners/checks.ts', import.meta.url));
  for (const [format, outfile] of [
    ['cjs', 'checks.cjs'],
    ['esm', 'checks.mjs'],
  ] as const) {
    bundle(checks, join(folder, outfile), [`--format=${format}`]);
  }
  writeFileSync(
    join(folder, 'jest.test.js'),
    `const nacelle = require('nacelle');
     const { useFakeTimers, useRealTimers } = jest;
     require('./checks.cjs').define(nacelle, { test, useFakeTimers, useRealTimers });`,
  );
  writeFileSync(
    join(folder, 'vitest.test.mjs'),
    `import { createRequire } from 'node:module';
     import { test, vi } from 'vitest';
     import { define } from './checks.mjs';
     const nacelle = process.env.FORMAT === 'cjs' ? createRequire(import.meta.url)('nacelle') : await import('nacelle');
     const toFake = process.env.FAKE?.split(',');
     define(nacelle, { test, useFakeTimers: () => vi.useFakeTimers(toFake && { toFake }), useRealTimers: () => vi.useRealTimers() });`,
  );
});

interface Report {
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly { readonly failureMessages: string[] }[];
  }[];
}

/** Runs a test runner in the folder; both write the same report. */
async function run(program: string, args: readonly string[], env: Record<string, string> = {}): Promise<string[]> {
  const temporary = mkdtempSync(join(folder, 'tmp-'));
  const text = await new Promise<string>((resolve, reject) => {
    // its own failure is in the report
    execFile(
      process.execPath,
      [join(root, 'node_modules', program), ...args],
      {
        cwd: folder,
        env: { ...process.env, NODE_OPTIONS: '', TMPDIR: temporary, CI: 'true', ...env },
        timeout: GUARD_MS,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) => (stdout.includes('{') ? resolve(stdout.slice(stdout.indexOf('{'))) : reject(error ?? new Error(stderr))),
    );
  });
  const report: Report = JSON.parse(text);
  const failures = report.testResults.flatMap(({ message, assertionResults }) => [
    message,
    ...assertionResults.flatMap(({ failureMessages }) => failureMessages),
  ]);
  return [...failures.filter((failure) => failure !== ''), `${report.numPassedTests} passed`];
}

const all = ['7 passed'];
const VITEST = ['run', 'vitest.test.mjs', '--reporter=json', `--testTimeout=${GUARD_MS}`];

describe('in a test runner of others', () => {
  it('Jest, whose tests have a realm of their own', async () => {
    expect(await run('jest/bin/jest.js', ['--json', `--testTimeout=${GUARD_MS}`, '--testMatch', '**/jest.test.js'])).toEqual(all);
  });

  it('Jest with a document, as one of browsers has it', async () => {
    const globals = JSON.stringify({ document: { baseURI: 'http://localhost/' } });
    expect(
      await run('jest/bin/jest.js', ['--json', `--testTimeout=${GUARD_MS}`, '--testMatch', '**/jest.test.js', '--globals', globals]),
    ).toEqual(all);
  });

  it.each(['forks', 'threads', 'vmForks', 'vmThreads'])('vitest with the pool %s', async (pool) => {
    expect(await run('vitest/vitest.mjs', [...VITEST, `--pool=${pool}`])).toEqual(all);
  });

  it.each(['esm', 'cjs'])('vitest with all that can be faked, and the package as %s', async (FORMAT) => {
    const FAKE = 'setTimeout,clearTimeout,setInterval,clearInterval,setImmediate,clearImmediate,queueMicrotask,Date,performance,hrtime';
    expect(await run('vitest/vitest.mjs', [...VITEST, '--pool=threads'], { FAKE, FORMAT })).toEqual(all);
  });
});
