import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { processInfo } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output, sh } from '../../fixtures/sandbox.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });

describe('a program in a container', () => {
  it('says hello', async () => {
    const result = await Container.run({ image: 'host', command: ['echo', 'Hello World'] });
    expect(result).toMatchObject({
      command: ['echo', 'Hello World'],
      status: 'ok',
      exitCode: 0,
      signal: null,
      signalNumber: null,
      failed: false,
      stdout: 'Hello World\n',
      stderr: '',
      notEnforced: [],
    });
    expect(result.id).toMatch(/^[\w-]+$/);
    expect(result.startedAt).toBeInstanceOf(Date);
    expect(result.setupMs).toBeGreaterThan(0);
    expect(result.durationMs).toBeGreaterThanOrEqual(0);
  });

  requires({ root: true, tools: ['ps'] }).it('is alone, as process 1', async () => {
    const { stdout } = await Container.run({ image: 'host', command: ['ps', '-e', '-o', 'pid=,comm='] });
    expect(stdout.trim().split(/\s+/)).toEqual(['1', 'ps']);
  });

  it('has no parent and no controlling terminal, in a session of its own', async () => {
    const stat = (await output('cat /proc/self/stat')).split(' ');
    // pid (comm) state ppid pgrp session tty_nr; `cat` is the shell itself where it was exec'ed.
    const shell = (await output('read stat < /proc/1/stat; echo "$stat"')).split(' ');
    expect(shell.slice(3, 7)).toEqual(['0', '1', '1', '0']);
    expect(stat[6]).toBe('0');
  });

  it('hands arguments over as they are', async () => {
    const words = ['', ' ', 'a b', '*', '$HOME', '"', "'", '\\', '\n', 'ü', '-n', '--'];
    const result = await Container.run({
      ...(await busybox()),
      command: ['sh', '-c', 'for word; do printf "%s\\0" "$word"; done', 'sh', ...words],
    });
    expect(result.stdout.split('\0').slice(0, -1)).toEqual(words);
  });

  it('puts the entrypoint before the command', async () => {
    const result = await Container.run({ ...(await busybox()), entrypoint: ['echo', 'one'], command: ['two'] });
    expect(result.stdout).toBe('one two\n');
    expect(result.command).toEqual(['echo', 'one', 'two']);
  });

  it('starts with SIGPIPE and all other signals at their defaults, none blocked', async () => {
    // Not through a shell: some ignore SIGQUIT.
    const { stdout: status } = await Container.run({ ...(await busybox()), command: ['cat', '/proc/self/status'] });
    for (const field of ['SigBlk', 'SigIgn']) expect(status).toMatch(new RegExp(`^${field}:\\t0{16}$`, 'm'));
  });
});

describe('how it ended', () => {
  for (const code of [0, 1, 2, 42, 126, 137, 255]) {
    it(`exit ${code}`, async () => {
      const result = await sh(`exit ${code}`);
      expect(result).toMatchObject({
        status: code === 0 ? 'ok' : 'nonzero-exit',
        exitCode: code,
        signal: null,
        signalNumber: null,
        failed: code !== 0,
      });
      expect(result.oomKilled).toBe(false);
    });
  }

  it('process 1 does not get the signals that it sends itself and does not handle', async () => {
    expect(await sh('kill -TERM $$; kill -KILL $$; echo alive')).toMatchObject({ status: 'ok', stdout: 'alive\n' });
  });

  for (const [signal, number] of [
    ['SIGTERM', 15],
    ['SIGKILL', 9],
    ['SIGSEGV', 11],
    ['SIGUSR1', 10],
  ] as const) {
    it(`init: true tells the exact end: ${signal}`, async () => {
      const result = await sh(`kill -${number} $$; sleep 60`, { init: true });
      expect(result).toMatchObject({ status: 'signalled', exitCode: null, signal, signalNumber: number, failed: true });
    });
  }

  it('init: true tells an exit code exactly', async () => {
    expect(await sh('exit 143', { init: true })).toMatchObject({ status: 'nonzero-exit', exitCode: 143, signal: null });
  });

  it('init: true has a process 1 that reaps, and the program is process 2', async () => {
    const script = 'echo $$; (sleep 0.01 & ) ; sleep 0.3; for stat in /proc/[0-9]*/stat; do cat $stat; done';
    const lines = (await output(script, { init: true })).split('\n');
    expect(Number(lines[0])).toBeGreaterThan(1);
    expect(lines.filter((line) => / Z /.test(line))).toEqual([]);
  });

  it('init: true passes signals on', async () => {
    await using container = await Container.create({
      ...(await busybox()),
      init: true,
      command: ['sh', '-c', 'trap "echo got it; exit 7" TERM; echo ready; while :; do sleep 0.02; done'],
    });
    const ready = new Promise((resolve) => container.stdout?.once('data', resolve));
    await container.start();
    await ready;
    await container.kill('SIGTERM');
    expect(await container.wait()).toMatchObject({ exitCode: 7 });
  });
});

describe('what the program is told', () => {
  it('its environment is PATH, HOME and HOSTNAME, and nothing of Node', async () => {
    process.env.NACELLE_TEST_SECRET = 'secret';
    try {
      const names = (await Container.run({ ...(await busybox()), command: ['env'] })).stdout
        .trim()
        .split('\n')
        .map((line) => line.split('=')[0]);
      expect(names.sort()).toEqual(['HOME', 'HOSTNAME', 'PATH']);
    } finally {
      delete process.env.NACELLE_TEST_SECRET;
    }
  });

  it('env is given exactly; undefined is left out', async () => {
    const env = { A: '1', EMPTY: '', 'with.dot': 'x=y', PATH: '/usr/bin', GONE: undefined };
    const { stdout } = await Container.run({ ...(await busybox()), command: ['env'], env });
    const found = Object.fromEntries(
      stdout
        .trim()
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    expect(found).toMatchObject({ A: '1', EMPTY: '', 'with.dot': 'x=y', PATH: '/usr/bin', HOME: '/root' });
    expect(Object.keys(found)).not.toContain('GONE');
  });

  it("extendEnv adds the caller's environment", async () => {
    process.env.NACELLE_TEST_VALUE = 'from outside';
    try {
      expect(await output('echo $NACELLE_TEST_VALUE', { extendEnv: true, env: { PATH: '/bin' } })).toBe('from outside');
    } finally {
      delete process.env.NACELLE_TEST_VALUE;
    }
  });

  it('hostname and domainname are its own', async () => {
    const host = await output('cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname; echo $HOSTNAME; cat /etc/hostname', {
      hostname: 'inside',
      domainname: 'example.org',
    });
    expect(host.split('\n')).toEqual(['inside', 'example.org', 'inside', 'inside']);
  });

  it('cwd: / unless said, and made where it is missing', async () => {
    expect(await output('pwd')).toBe('/');
    expect(await output('pwd', { cwd: '/usr/bin' })).toBe('/usr/bin');
    expect(await output('pwd', { cwd: '/made/for/it' })).toBe('/made/for/it');
  });

  it('umask: 0o022 unless said', async () => {
    expect(await output('umask')).toBe('0022');
    expect(await output('umask', { umask: 0o077 })).toBe('0077');
  });

  it('its pid outside is told by the container', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['cat'], stdin: 'pipe' });
    await container.start();
    expect(processInfo(container.pid)?.command).toBe('cat');
  });
});

describe('user', () => {
  const identity = 'id -u; id -g; id -G; echo $HOME';
  const cases: [string | number, string[]][] = [
    ['root', ['0', '0', '0', '/root']],
    ['user', ['1000', '1000', '1000 2000', '/home']],
    [1000, ['1000', '1000', '1000 2000', '/home']],
    ['1000', ['1000', '1000', '1000 2000', '/home']],
    ['user:extra', ['1000', '2000', '2000', '/home']],
    ['1000:2000', ['1000', '2000', '2000', '/home']],
    ['12345:54321', ['12345', '54321', '54321', '/']],
    ['nobody', ['65534', '65534', '65534', '/']],
  ];
  for (const [user, expected] of cases) {
    it(`${JSON.stringify(user)} is ${expected.join(', ')}`, async () => {
      expect((await output(identity, { user })).split('\n')).toEqual(expected);
    });
  }

  for (const user of ['missing', 'root:missing', '4294967295', '-1', '1000x', '99999999999999999999', '']) {
    it(`${JSON.stringify(user)} is refused`, async () => {
      await expect(sh('true', { user })).rejects.toThrow(/user|group/);
    });
  }

  it('0001 is the name, which is unknown, or the number 1 exactly; never root', async () => {
    const uid = await output('id -u', { user: '0001' }).catch(() => 'refused');
    expect(['1', 'refused']).toContain(uid);
  });

  it('can write to its own output by name', async () => {
    expect(await output('echo hello > /dev/stdout', { user: 'user' })).toBe('hello');
    expect((await sh('echo hello > /dev/stderr', { user: 'user' })).stderr).toBe('hello\n');
  });
});
