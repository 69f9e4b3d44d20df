import { describe, expect, it } from 'vitest';
import { NacelleError } from '../../../lib/errors.js';
import { ContainerRunError } from '../../../lib/process/run-error.js';
import { sampleResult } from '../../fixtures/result.js';

const failed = (stderr: string) => sampleResult({ exit: { kind: 'exited', value: 3 }, cause: 'none' }, {}, { stderr });

describe('ContainerRunError', () => {
  it('has all fields of its result', () => {
    const result = failed('');
    const error = new ContainerRunError(result);
    expect(error).toBeInstanceOf(NacelleError);
    expect(error).toMatchObject({ ...result, name: 'ContainerRunError', code: 'ERR_RUN_FAILED' });
    expect(error.exitCode satisfies number | null).toBe(3);
  });

  it('says what was run, how it ended, and what it said last', () => {
    expect(new ContainerRunError(failed('')).message).toBe('run judge me: exited with 3');
    expect(new ContainerRunError(failed('oh no\n')).message).toBe('run judge me: exited with 3\noh no');
    expect(new ContainerRunError(failed('\u001b[31mred\n\tat x')).message).toBe('run judge me: exited with 3\n\\u001b[31mred\n\tat x');
    const { message } = new ContainerRunError(failed(`${'x'.repeat(5000)}end`));
    expect(message.length).toBeLessThan(2100);
    expect(message.endsWith('end')).toBe(true);
  });
});
