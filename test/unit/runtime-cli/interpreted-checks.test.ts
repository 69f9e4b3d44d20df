import { execFileSync } from 'node:child_process';
import { execPath } from 'node:process';
import { describe, expect, it } from 'vitest';
import { interpretChecks } from '../../../lib/runtime-cli/boot/interpreted-checks.js';

const settings = (...args: string[]): string => {
  const scope = {};
  interpretChecks(args, scope);
  return JSON.stringify(scope);
};

describe('checks of a command', () => {
  it.each([[['run', 'one']], [['--root', '/x', 'create', 'planner']], [['exec', 'one', 'planner', '5', '6']]])(
    '%j are interpreted',
    (args) => {
      const seen = execFileSync(execPath, [
        '-e',
        `Object.assign(globalThis, ${settings(...args)}); console.log(require('zod').config().jitless)`,
      ]);
      expect(seen.toString()).toBe('true\n');
    },
  );

  it('are compiled in a planner that stays', () => {
    expect(settings('--root', '/x', 'planner', '600')).toBe('{}');
  });
});
