import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, onTestFinished } from 'vitest';
import { Container, type Features, features } from '../../lib/index.js';
import { useDetached } from '../fixtures/detached.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { runNode, startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { until } from '../fixtures/until.js';

// As an ordinary user, in a login session that is not handed over to that user: `npm run test:vm -- --systemd`.
useLeakCheck();
useDetached();
const { it } = requires({ tools: ['systemctl', 'systemd-run', 'unshare', 'mount'], cgroup: 'v2' });

const systemctl = (...args: string[]): string => execFileSync('systemctl', ['--user', ...args], { encoding: 'utf8' });

const scopes = (): string[] =>
  systemctl('list-units', '--all', '--plain', '--no-legend', 'nacelle-*.scope')
    .split('\n')
    .flatMap((line) => line.split(' ')[0] || []);

/** systemd removes a scope when it hears that the scope is empty. */
const withoutScopes = (): Promise<true> => until('all scopes have gone', () => scopes().length === 0);

/** A command in a service of the user's systemd, whose group is handed over. It ends with the test. */
function inUnit(unit: string): string[] {
  // one that has ended is not known any more
  onTestFinished(() => void spawnSync('systemctl', ['--user', 'stop', unit]));
  const kept = Object.entries(process.env).filter(([name]) => /^(?:PATH|NACELLE_.*)$/.test(name));
  const env = kept.map(([name, value]) => `--setenv=${name}=${value}`);
  return [
    'systemd-run',
    '--user',
    '--quiet',
    '--wait',
    '--pipe',
    '--collect',
    `--unit=${unit}`,
    '-p',
    'Delegate=yes',
    '--same-dir',
    ...env,
  ];
}

const limits = { memory: '64m', pidsLimit: 20 };

it('a detached container has a scope of its own, and outlives the unit of the process that made it', async () => {
  const service = `maker-${process.pid}.service`;
  const options = { image: 'host', command: ['sleep', '600'], detach: true, ...limits };
  const maker = startNode('detach', [JSON.stringify(options), 'wait'], { through: inUnit(service) });
  const id: string = JSON.parse((await maker.lines.next()).value);
  const scope = `nacelle-${id}.scope`;
  expect(scopes()).toEqual([scope]);
  const shown = systemctl('show', scope, '-p', 'Description', '-p', 'Delegate', '-p', 'ControlGroup', '-p', 'ActiveState');
  const { ControlGroup: group = '', ...others } = Object.fromEntries(
    shown
      .trim()
      .split('\n')
      .map((line) => line.split(/=(.*)/)),
  );
  expect(others).toEqual({ Description: `nacelle ${id}`, Delegate: 'yes', ActiveState: 'active' });
  expect(group).toMatch(new RegExp(`/app\\.slice/${scope}$`));

  systemctl('stop', service);
  await maker.ended;
  expect(systemctl('show', service, '-p', 'ActiveState')).toContain('inactive');

  const container = await Container.attach(id);
  expect(container.state).toBe('running');
  // 128 and SIGKILL, which the kernel sends when the memory is used up
  expect((await container.exec(['sh', '-c', 'head -c 200m /dev/zero | tail'])).exitCode).toBe(137);
  const { stderr } = await container.exec(['sh', '-c', 'for i in $(seq 30); do sleep 60 & done']);
  expect(stderr).toContain('fork');
  await container.update({ pidsLimit: 15 });
  expect((await container.inspect()).limits.pidsLimit).toBe(15);
  await container.remove({ force: true });
  await withoutScopes();
  expect(existsSync(`/sys/fs/cgroup${group}`)).toBe(false);
});

it('a detached container of a plain session has limits, and its scope goes with its end', async () => {
  const command = ['sh', '-c', 'head -c 200m /dev/zero | tail'];
  const container = await Container.create({ image: 'host', command, detach: true, autoRemove: true, ...limits });
  await container.start();
  expect((await container.wait()).status).toBe('memory-limit');
  await withoutScopes();
});

it('a detached container that could not be made leaves no scope', async () => {
  const mounts = [{ type: 'bind' as const, source: '/no/such/folder', target: '/mnt' }];
  // how many jobs systemd has had: the start of a scope is one
  const jobs = () => Number(systemctl('show', '-p', 'NInstalledJobs', '--value'));
  const before = jobs();
  await expect(Container.create({ image: 'host', command: ['true'], detach: true, mounts })).rejects.toThrow('/no/such/folder');
  expect(jobs()).toBeGreaterThan(before);
  await withoutScopes();
});

it('in a plain session limits hold in a scope, which goes with the process', async () => {
  expect(await runNode('user-limits')).toEqual({
    own: expect.stringMatching(/session-\w+\.scope$/),
    memory: 'memory-limit',
    forks: false,
    groups: expect.stringMatching(/\/app\.slice\/nacelle-\w+\.scope\/nacelle\//),
  });
  await withoutScopes();
});

it('in a unit whose group is handed over, limits hold without a scope', async () => {
  const service = `limited-${process.pid}.service`;
  expect(await runNode('user-limits', [], { through: inUnit(service) })).toEqual({
    own: expect.stringContaining(`/${service}/`),
    memory: 'memory-limit',
    forks: false,
    groups: expect.stringContaining(`/${service}/nacelle/`),
  });
  expect(scopes()).toEqual([]);
});

it('features() tells that containers have limits, which the groups of the process itself could not give', async () => {
  const { cgroup, rootless } = await features();
  expect(cgroup.controllers.memory).toMatchObject({ available: false });
  expect(rootless.parts.limits).toEqual({ available: true, reason: null, fix: null });
  await withoutScopes();
  const noSystemd = { XDG_RUNTIME_DIR: '/nowhere', DBUS_SESSION_BUS_ADDRESS: '', NACELLE_RUNROOT: process.env.NACELLE_RUNROOT ?? '' };
  const told = await runNode<Features>('features', [], { env: noSystemd });
  expect(told.rootless.parts.limits).toEqual({
    available: false,
    reason: expect.stringMatching(/^this user may not make groups in .*, and user 1000 has no systemd: no socket in \/nowhere$/),
    fix: 'Run: loginctl enable-linger 1000',
  });
});

it('features() tells whether a detached container goes on, and what would make it', async () => {
  expect((await features()).detach).toEqual({ available: true, reason: null, fix: null });
  await withoutScopes();
  const noSystemd = { XDG_RUNTIME_DIR: '/nowhere', DBUS_SESSION_BUS_ADDRESS: '', NACELLE_RUNROOT: process.env.NACELLE_RUNROOT ?? '' };
  expect(await runNode('detach-feature', [], { env: noSystemd })).toEqual({
    available: false,
    reason: expect.stringMatching(/session-\w+\.scope, and ends when that is stopped: user 1000 has no systemd: no socket in \/nowhere$/),
    fix: 'Run: loginctl enable-linger 1000',
  });
  // in a mount namespace of its own nobody lingers
  const hidden = ['unshare', '--user', '--map-current-user', '--mount', '--keep-caps', 'sh', '-c'];
  const script = 'mount -t tmpfs none /var/lib/systemd/linger && exec "$@"';
  expect(await runNode('detach-feature', [], { through: [...hidden, script, 'sh'] })).toEqual({
    available: false,
    reason: 'a detached container ends when this user logs out of the last session',
    fix: 'Run: loginctl enable-linger 1000',
  });
  await withoutScopes();
});
