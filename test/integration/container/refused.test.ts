import { expect } from 'vitest';
import { Container, NacelleError, Namespace } from '../../../lib/index.js';
import { leftovers, snapshot, useLeakCheck } from '../../fixtures/leaks.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { wrongInputs } from '../../fixtures/wrong-inputs.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

describe('wrong inputs', () => {
  it('are at least forty', () => {
    expect(wrongInputs.length).toBeGreaterThanOrEqual(40);
  });

  // They are what no type lets through, so they go in by the door for untyped callers.
  const run: (options: never) => Promise<unknown> = Container.run;
  for (const { name, options, code, mentions } of wrongInputs) {
    it(`${name}: is refused in words, and makes nothing`, async () => {
      const before = snapshot();
      const error = await run(options as never).catch((reason: unknown) => reason);
      if (!(error instanceof NacelleError)) throw new Error(`not a NacelleError: ${String(error)}`);
      expect(error.code).toBe(code);
      for (const words of mentions) expect(error.message).toContain(words);
      expect(await leftovers(before)).toEqual([]);
    });
  }
});

it('a nice value below its own is for root of the host alone: others are told so, and what they have', async () => {
  const lower = { ...(await busybox()), command: ['true'], scheduler: { policy: 'other', nice: -20 } } as const;
  // root's container gets it before it enters its user namespace
  if (isRoot) return expect(await Container.run({ ...lower, userns: 'auto' })).toMatchObject({ status: 'ok' });
  await expect(Container.run(lower)).rejects.toMatchObject({
    code: 'EPERM',
    message: expect.stringMatching(
      /its nice value is -?\d+: for a lower one it has no CAP_SYS_NICE on the host, and its ulimit nice is \d+/,
    ),
  });
});

describe('what belongs to another container', () => {
  it("its root by way of /proc: is refused in words, and can't be bound", async () => {
    await using other = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await other.start();
    const path = `/proc/${other.pid}/root`;
    await expect(Container.run({ rootfs: path, command: ['true'] })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: `option rootfs: ${path} leads into another mount namespace, of which nothing can be bound`,
    });
    await expect(Container.run({ ...(await busybox()), command: ['true'], volumes: [`${path}:/other`] })).rejects.toMatchObject({
      // an ordinary user's shim may not even look there
      ...(isRoot ? { code: 'EINVAL', hint: expect.stringContaining('another mount namespace') } : { code: 'EACCES' }),
    });
  });

  it('a pid namespace that has ended is told as that', async () => {
    const ended = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await ended.start();
    await using pid = await Namespace.of(ended.pid, 'pid');
    await ended.remove({ force: true });
    await expect(Container.run({ ...(await busybox()), command: ['true'], namespaces: { pid } })).rejects.toMatchObject({
      code: 'ENOMEM',
      hint: expect.stringContaining('has ended with its process 1'),
    });
  });
});
