import { expect } from 'vitest';
import { Container, UnsupportedError } from '../../../lib/index.js';
import { leftovers, snapshot, useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, sh } from '../../fixtures/sandbox.js';
import { wrongInputs } from '../../fixtures/wrong-inputs.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });

describe('what a later version brings', () => {
  const options: [string, Parameters<typeof sh>[1]][] = [
    ["network: 'bridge'", { network: 'bridge' }],
    ["network: 'pasta'", { network: 'pasta' }],
    ['ports', { ports: ['8080:80'] }],
    ['detach', { detach: true }],
    ['tty', { tty: true }],
    ['seccomp', { seccomp: { defaultAction: 'SCMP_ACT_ALLOW' } }],
    ["userns: 'auto'", { userns: 'auto' }],
    [
      'userns',
      { userns: { uid: [{ inside: 0, outside: 100_000, count: 65_536 }], gid: [{ inside: 0, outside: 100_000, count: 65_536 }] } },
    ],
    ['volumes', { volumes: ['data:/data'] }],
  ];
  for (const [name, option] of options) {
    it(`${name} is an UnsupportedError, and makes nothing`, async () => {
      const before = snapshot();
      const error = await sh('true', option).catch((reason: unknown) => reason);
      if (!(error instanceof UnsupportedError)) throw new Error(`not an UnsupportedError: ${String(error)}`);
      expect(error.code).toBe('ERR_UNSUPPORTED');
      expect(error.reason).not.toBe('');
      expect(await leftovers(before)).toEqual([]);
    });
  }

  it('attach and exec', async () => {
    await expect(Container.attach('0123456789ab')).rejects.toBeInstanceOf(UnsupportedError);
    await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await container.start();
    await expect((async () => container.exec(['true']))()).rejects.toBeInstanceOf(UnsupportedError);
  });
});

describe('wrong inputs', () => {
  it('are at least forty', () => {
    expect(wrongInputs.length).toBeGreaterThanOrEqual(40);
  });

  for (const { name, options, option } of wrongInputs) {
    it(`${name}: names ${option} and makes nothing`, async () => {
      const before = snapshot();
      const run: (options: never) => Promise<unknown> = Container.run;
      const error = await run({ ...(await busybox()), command: ['true'], ...options } as never).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(option) });
      expect(await leftovers(before)).toEqual([]);
    });
  }
});
