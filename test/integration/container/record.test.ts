import { inspect } from 'node:util';
import { expect } from 'vitest';
import { parseRunOptions } from '../../../lib/container/options/container-options.js';
import { launch } from '../../../lib/container/start/launch.js';
import { Container, type RunOptions } from '../../../lib/index.js';
import { Program } from '../../../lib/process/program.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

const SECRET = 'a-secret-of-the-caller';
const options = async (more: RunOptions = {}): Promise<RunOptions> => ({
  ...(await busybox()),
  command: ['true'],
  name: 'recorded',
  labels: { of: 'a test' },
  env: { TOKEN: SECRET },
  copyIn: { '/box/file': SECRET },
  copyOut: ['/box/file'],
  memory: '64m',
  ...more,
});

describe('the record of a container', () => {
  it('is plain data, which another process could read', async () => {
    const parsed = parseRunOptions(await options());
    const program = new Program(parsed.process);
    const { record, held } = await launch(program, parsed, { park: true });
    try {
      expect(structuredClone(record.current)).toEqual(record.current);
      expect(record.current).toMatchObject({
        name: 'recorded',
        labels: { of: 'a test' },
        command: ['true'],
        limits: { memory: 64 * 1024 ** 2 },
        copyOut: ['/box/file'],
        group: { paths: { pids: expect.stringContaining(record.current.id) } },
      });
    } finally {
      program.streams.close();
      held.inside?.close();
      await held.changes?.close();
      await held.task.close();
      held.release();
    }
  });

  it('keeps what the program was given out of errors and logs', async () => {
    await using container = await Container.create(await options());
    const errors = await Promise.all([
      Container.run(await options({ command: ['/nonexistent'] })).catch((error: unknown) => error),
      Container.run(await options({ command: ['sh', '-c', 'exit 3'], reject: true })).catch((error: unknown) => error),
      Container.run(await options({ copyIn: { '/proc/nowhere/file': SECRET } })).catch((error: unknown) => error),
      container.resume().catch((error: unknown) => error),
    ]);
    for (const shown of [container, ...errors]) {
      if (shown !== container) expect(shown).toBeInstanceOf(Error);
      const texts = [inspect(shown, { depth: null, showHidden: true, getters: true }), JSON.stringify(shown), String(shown)];
      // what copyOut brings back is the caller's own, in the result
      for (const text of texts) expect(text.replaceAll(/files: \{[^}]*\}|"files":\{[^}]*\}/g, '')).not.toContain(SECRET);
    }
  });
});
