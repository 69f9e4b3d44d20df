import { createHash, randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import { Container, type ContainerOptions, type ExecOptions } from '../../../lib/index.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { live, outputOf } from '../../fixtures/live.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('bytes through a program', () => {
  it.each([{}, { init: true }])('come out as they went in, more than any pipe holds: %j', async (options) => {
    await using container = await live(options);
    const bytes = randomBytes(3_000_001);
    expect(sha256((await container.exec(['cat'], { input: bytes, encoding: 'buffer' })).stdout)).toBe(sha256(bytes));
    expect(await container.exec(['dd', 'of=/tmp/big', 'bs=512'], { input: bytes })).toMatchObject({ status: 'ok' });
    expect(await outputOf(container, 'sha256sum < /tmp/big')).toBe(`${sha256(bytes)}  -`);
    const both = await container.exec(['sh', '-c', 'cat /tmp/big >&2 & cat /tmp/big; wait'], { encoding: 'buffer' });
    expect([sha256(both.stdout), sha256(both.stderr)]).toEqual([sha256(bytes), sha256(bytes)]);
  });

  it('that it does not read are no failure of its', async () => {
    await using container = await live();
    const input = randomBytes(1 << 20);
    expect(await container.exec(['true'], { input })).toMatchObject({ status: 'ok' });
    expect((await container.exec(['head', '-c', '5'], { input, encoding: 'buffer' })).stdout).toEqual(input.subarray(0, 5));
    expect(await container.exec(['sh', '-c', 'exec 0<&-; exit 3'], { input })).toMatchObject({ exitCode: 3 });
  });

  it('are its own, fifty programs at once', async () => {
    await using container = await live();
    const inputs = Array.from({ length: 50 }, () => randomBytes(20_000));
    const results = await Promise.all(inputs.map((input) => container.exec(['cat'], { input, encoding: 'buffer' })));
    expect(results.map(({ stdout }) => sha256(stdout))).toEqual(inputs.map(sha256));
  });
});

describe('how a program ended', () => {
  it.each([1, 2, 77, 125, 126, 127, 128, 130, 137, 143, 255])(
    'an exit with %s is that, whatever else the number may mean',
    async (code) => {
      await using container = await live();
      expect(await container.exec(['sh', '-c', `exit ${code}`])).toMatchObject({ status: 'nonzero-exit', exitCode: code, signal: null });
    },
  );

  it.each(['SIGTERM', 'SIGKILL', 'SIGSEGV', 'SIGABRT', 'SIGPIPE'] as const)('%s of its own is a signal', async (signal) => {
    await using container = await live();
    const killed = { status: 'signalled', signal, exitCode: null };
    expect(await container.exec(['sh', '-c', `kill -${signal.slice(3)} $$`])).toMatchObject(killed);
  });
});

describe('TERM', () => {
  const ttys = [false, true];
  const terms = [undefined, 'given'];
  const cases = ttys.flatMap((own) =>
    terms.flatMap((ownTerm) => ttys.flatMap((tty) => terms.map((term) => ({ own, ownTerm, tty, term })))),
  );

  it.each(cases)('%j', async ({ own, ownTerm, tty, term }) => {
    const given = (value: string | undefined) => (value === undefined ? {} : { env: { TERM: value } });
    await using container = await live({ tty: own, ...given(ownTerm) });
    const { stdout } = await container.exec(['sh', '-c', 'printf "%s" "$TERM"'], { tty, ...given(term) });
    expect(stdout).toBe(term ?? ownTerm ?? (own || tty ? 'xterm' : ''));
  });
});

describe('groups', () => {
  it.each<[ExecOptions, string]>([
    [{}, '0'],
    [{ user: 'root:root' }, '0'],
    [{ user: 'user' }, '1000 2000'],
    [{ user: 'user:user' }, '1000'],
    [{ user: 'root:user' }, '1000'],
  ])('of a program of %j are %s', async (options, groups) => {
    await using container = await live();
    expect(await outputOf(container, 'id -G', options)).toBe(groups);
  });

  it('of the container’s own program are those of one that joins, whoever its user is', async () => {
    for (const user of ['root', 'user', 'user:user', '1234:5']) {
      await using container = await live({ user });
      const { stdout } = await container.exec(['grep', '-h', '^Groups:', '/proc/1/status', '/proc/self/status']);
      const [own, joined] = stdout.split('\n');
      expect(joined).toBe(own);
    }
  });
});

it.each([0, 0o22, 0o77, 0o724, 0o777])('the umask of the container, %s, is that of what joins', async (umask) => {
  await using container = await live({ umask });
  const mode = (0o666 & ~umask).toString(8);
  expect(await outputOf(container, 'grep Umask /proc/self/status; cd /tmp; : > made; stat -c %a made')).toBe(
    `Umask:\t${umask.toString(8).padStart(4, '0')}\n${mode}`,
  );
});

describe('a program that ends its container', () => {
  const waiting: ContainerOptions = { command: ['sh', '-c', 'touch /tmp/here; while [ -e /tmp/here ]; do usleep 1000; done; exit 5'] };

  it.each([{}, { init: true }])('has an answer, and so has whoever waits for the container: %j', async (options) => {
    await using container = await Container.create({ ...(await busybox()), ...waiting, ...options });
    await container.start();
    await until('the program waits', async () => (await container.exec(['test', '-e', '/tmp/here'])).status === 'ok');
    const { status, signal } = await container.exec(['rm', '/tmp/here']);
    // its own end and that of the container come at the same moment
    expect(status === 'ok' || (status === 'signalled' && signal === 'SIGKILL')).toBe(true);
    expect(await container.wait()).toMatchObject({ exitCode: 5 });
    await expect(container.exec(['true'])).rejects.toMatchObject({ code: 'ERR_STATE' });
  });
});
