import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { processInfo } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'runc'] });
const folder = temporaryFolder();
const { oci, runc, states } = useRuntimes(folder);

const KINDS = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'];

const sh = (script: string) => ({ path: '/bin/sh', args: ['sh', '-c', script], env: ['PATH=/bin:/usr/bin'] });

describe('hooks', () => {
  it('of all kinds run with the state, which has the status that runc has', async () => {
    const log = join(folder, 'hooks');
    const bundle = makeBundle(folder, ['sh', '-c', 'cat /log; exit 5'], (config) => {
      config.hooks = Object.fromEntries(
        KINDS.map((kind) => [kind, [sh(`read -r state; echo "${kind} $state" >> ${kind === 'startContainer' ? '/log' : log}`)]]),
      );
      config.root = { path: 'rootfs', readonly: false };
    });
    const statuses = (lines: string): string[] =>
      lines
        .trim()
        .split('\n')
        .map((line) => `${line.split(' ', 1)[0]} ${JSON.parse(line.slice(line.indexOf(' '))).status}`);
    const seen: string[][] = [];
    for (const runtime of [oci, runc]) {
      writeFileSync(log, '');
      writeFileSync(join(bundle, 'rootfs/log'), '');
      const call = await runtime('run', '--bundle', bundle, 'hooked');
      expect(call).toMatchObject({ code: 5, stderr: '' });
      seen.push([...statuses(readFileSync(log, 'utf8')), ...statuses(call.stdout)]);
    }
    expect(seen[0]).toEqual([
      ...['prestart creating', 'createRuntime creating', 'createContainer creating'],
      ...['poststart running', 'poststop stopped', 'startContainer created'],
    ]);
    // runc 1.1 says 'created' to poststart, against the specification
    const [ours, theirs] = seen.map((lines) => lines.filter((line) => !line.startsWith('poststart')));
    expect(ours).toEqual(theirs);
    expect(readdirSync(states)).toEqual([]);
  });

  it('without env have the environment of the runtime in its namespaces, and none of it in the container', async () => {
    const log = join(folder, 'environment');
    const tell = (kind: string, file: string) => ({ path: '/bin/sh', args: ['sh', '-c', `echo "${kind} $NACELLE_TOLD" >> ${file}`] });
    const bundle = makeBundle(folder, ['cat', '/log'], (config) => {
      config.hooks = {
        ...Object.fromEntries(['prestart', 'createRuntime', 'poststart', 'poststop'].map((kind) => [kind, [tell(kind, log)]])),
        createContainer: [tell('createContainer', log)],
        startContainer: [tell('startContainer', '/log')],
      };
      const none = { ...tell('none', log), env: [] };
      Object.assign(config.hooks as object, { createRuntime: [tell('createRuntime', log), none] });
      config.root = { path: 'rootfs', readonly: false };
    });
    process.env.NACELLE_TOLD = 'of the runtime';
    try {
      const seen: string[][] = [];
      for (const runtime of [oci, runc]) {
        writeFileSync(log, '');
        writeFileSync(join(bundle, 'rootfs/log'), '');
        const call = await runtime('run', '--bundle', bundle, 'told');
        expect(call).toMatchObject({ code: 0, stderr: '' });
        seen.push([...readFileSync(log, 'utf8').trim().split('\n'), call.stdout.trim()]);
      }
      const own = (kind: string) => `${kind} of the runtime`;
      expect(seen[0]).toEqual([
        ...[own('prestart'), own('createRuntime'), 'none ', 'createContainer ', own('poststart'), own('poststop'), 'startContainer'],
      ]);
      expect(seen[0]).toEqual(seen[1]);
    } finally {
      delete process.env.NACELLE_TOLD;
    }
  });

  it('of the start have the program’s environment, and are named when they fail', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true'], (config) => {
      const hook = { path: '/bin/busybox', args: ['sh', '-c', 'echo $ONE $HOME; exit 3'] };
      Object.assign(config, { hooks: { startContainer: [hook] } });
      config.process.env = ['ONE=two', 'HOME='];
    });
    const failed = { code: 1, stderr: expect.stringMatching(/error running startContainer hook #0: .*exit status 3: two \/(root)?/) };
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject(failed);
  });

  it('that a signal ends are told of by runc’s words for it', async () => {
    const bundle = makeBundle(folder, ['busybox', 'true'], (config) => {
      config.hooks = { startContainer: [{ path: '/bin/busybox', args: ['sh', '-c', 'kill -SYS $$'] }] };
    });
    expect(await runc('run', '--bundle', bundle, 'one')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('signal: bad system call'),
    });
    const stderr = expect.stringMatching(/error running startContainer hook #0: .*signal: bad system call/);
    expect(await oci('run', '--bundle', bundle, 'one')).toMatchObject({ code: 1, stderr });
  });

  it('of the container’s creation see the host, also where a path leads above /, and the root at its path', async () => {
    const [log, real] = [join(folder, 'seen'), join(folder, 'real')];
    writeFileSync(real, 'host\n');
    const bundle = makeBundle(folder, ['busybox', 'true'], (config) => {
      const inRoot = 'test -e "$(busybox grep -o \'"bundle":"[^"]*\' | busybox cut -d \\" -f 4)/rootfs/proc/version"';
      config.hooks = { createContainer: [sh(`cat /..${real} > ${log}; ${inRoot} && echo there >> ${log}`)] };
    });
    const inImage = join(bundle, 'rootfs', real);
    mkdirSync(dirname(inImage), { recursive: true });
    writeFileSync(inImage, 'image\n');
    for (const call of [
      () => oci('run', '--bundle', bundle, 'one'),
      () => oci('run', '--no-pivot', '--bundle', bundle, 'one'),
      () => runc('run', '--bundle', bundle, 'one'),
    ]) {
      expect(await call()).toMatchObject({ code: 0, stderr: '' });
      expect(readFileSync(log, 'utf8')).toBe('host\nthere\n');
    }
  });

  it('begin in the bundle, in the root and in the program’s folder, as with runc', async () => {
    const log = join(folder, 'folders');
    const bundle = makeBundle(folder, ['cat', '/log'], (config) => {
      config.process.cwd = '/dev';
      config.root = { path: 'rootfs', readonly: false };
      const said = (kind: string) => sh(`echo "${kind} $(pwd)" >> ${log}`);
      config.hooks = {
        ...{ prestart: [said('prestart')], createRuntime: [said('createRuntime')] },
        // the folder may have no path there that all can see
        createContainer: [sh('echo "createContainer $(busybox ls -d proc/self)" > log')],
        startContainer: [sh('echo "startContainer $(busybox pwd)" >> /log')],
      };
    });
    for (const call of [
      () => oci('run', '--bundle', bundle, 'one'),
      () => oci('run', '--no-pivot', '--bundle', bundle, 'one'),
      () => runc('run', '--bundle', bundle, 'one'),
    ]) {
      writeFileSync(log, '');
      rmSync(join(bundle, 'rootfs/log'), { force: true });
      const { stdout } = await call();
      expect(stdout).toBe('createContainer proc/self\nstartContainer /dev\n');
      expect(readFileSync(log, 'utf8')).toBe(`prestart ${bundle}\ncreateRuntime ${bundle}\n`);
    }
  });

  it('that do not accept a container that was started stop it', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000'], (config) => {
      config.hooks = { poststart: [sh('exit 3'), sh(`touch ${join(folder, 'after')}`)] };
    });
    expect((await oci('create', '--bundle', bundle, 'one')).code).toBe(0);
    const { pid } = JSON.parse((await oci('state', 'one')).stdout);
    const started = await oci('start', 'one');
    expect(started).toMatchObject({ code: 1, stderr: expect.stringContaining('error running poststart hook #0: /bin/sh: ') });
    await until('it has ended', () => (processInfo(pid)?.state ?? 'Z') === 'Z');
    expect(existsSync(join(folder, 'after'))).toBe(false);
    expect(JSON.parse((await oci('state', 'one')).stdout)).toMatchObject({ status: 'stopped' });
  });

  it('that come after the start of a container in the foreground do not wait for its end', async () => {
    const bundle = makeBundle(folder, ['sh', '-c', 'until [ -e /started ]; do busybox sleep 0.01; done'], (config) => {
      config.root = { path: 'rootfs' };
    });
    const text = readFileSync(join(bundle, 'config.json'), 'utf8');
    const hooks = { poststart: [sh(`touch ${join(bundle, 'rootfs/started')}`)] };
    writeFileSync(join(bundle, 'config.json'), JSON.stringify({ ...JSON.parse(text), hooks }));
    expect(await oci('run', '--bundle', bundle, 'one')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('after the end run each, and each failure is told', async () => {
    const ran = join(folder, 'ran');
    const bundle = makeBundle(folder, ['busybox', 'true'], (config) => {
      config.hooks = { poststop: [sh('echo first >&2; exit 1'), sh(`touch ${ran}`), sh('exit 2')] };
    });
    const { code, stderr } = await oci('run', '--bundle', bundle, 'one');
    expect([code, existsSync(ran), readdirSync(states)]).toEqual([0, true, []]);
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/^error running poststop hook #0: \/bin\/sh: .*: first$/),
      expect.stringMatching(/^error running poststop hook #2: /),
    ]);
  });
});
