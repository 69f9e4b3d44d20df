import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

interface Report {
  testResults: { name: string; assertionResults: { status: string; fullName: string; failureMessages: string[] }[] }[];
}

/** A vitest of its own on test/fixtures/must-run, which takes a second: one for all tests here. */
const { testResults } = report();

function report(): Report {
  const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
  const root = fileURLToPath(new URL('../fixtures/must-run', import.meta.url));
  const { stdout } = spawnSync(process.execPath, [vitest, 'run', '--root', root, '--reporter=json'], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, NACELLE_MUST_RUN: '0' },
  });
  return JSON.parse(stdout.slice(stdout.indexOf('{')));
}

const resultsOf = (file: string): Report['testResults'][0]['assertionResults'] =>
  testResults.filter(({ name }) => basename(name) === file).flatMap(({ assertionResults }) => assertionResults);

describe('a test whose needs are missing', () => {
  it('is skipped with the reason in its name, also when it comes from a table', () => {
    const skipped = resultsOf('missing.fixture.ts');
    expect(skipped).toHaveLength(8);
    for (const { status, fullName } of skipped) {
      expect(status, fullName).toBe('skipped');
      expect(fullName).toContain('(skipped: needs the program nacelle-no-such-program in PATH)');
    }
  });

  it('fails with NACELLE_MUST_RUN=1, also when it comes from a table', () => {
    const failed = resultsOf('must.fixture.ts');
    expect(failed.map(({ fullName }) => fullName).sort()).toEqual([
      'a group',
      'alone',
      'groups: %s',
      'of a table: %s',
      'of another table: %s',
    ]);
    for (const { status, failureMessages } of failed) {
      expect(status).toBe('failed');
      expect(failureMessages[0]).toContain('NACELLE_MUST_RUN=1 forbids skipping');
    }
  });
});
