import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect } from 'vitest';
import { Container, Image, type ImageConfig, type RunOptions } from '../../../lib/index.js';
import { loadBusybox } from '../../fixtures/busybox-image.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { PODMAN_TOOLS, type Podman, podmanIn, runInPodman } from '../../fixtures/podman.js';
import { missing, requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

// What an image's config says is done as podman does it.
useLeakCheck();
const needs = { root: true, tools: [...PODMAN_TOOLS, 'busybox', 'tar'] };
const { it, describe } = requires(needs);

const folder = temporaryFolder();
useNewStore(folder);
let podman: Podman;
let base: Image;
beforeAll(() => {
  if (missing(needs).length === 0) podman = podmanIn(folder);
});
beforeEach(async () => {
  base = await loadBusybox();
});

let images = 0;
/** busybox with a config, and files that a script makes; for us and for podman. */
async function imageWith(config: ImageConfig, script = 'true'): Promise<{ image: Image; podmans: string }> {
  await using container = await Container.create({ image: base, command: ['sh', '-euc', script] });
  await container.start();
  expect(await container.wait()).toMatchObject({ status: 'ok' });
  const image = await Image.commit(container, { reference: `local/config:${images++}`, config });
  const archive = join(folder, `${images}.tar`);
  await image.save(archive, { format: 'docker' });
  podman('load', '-q', '-i', archive);
  return { image, podmans: image.reference ?? '' };
}

type Both = readonly [ours: string, podmans: string];

async function runBoth(
  { image, podmans }: Awaited<ReturnType<typeof imageWith>>,
  options: RunOptions = {},
  flags: readonly string[] = [],
): Promise<Both> {
  const { stdout, stderr, failed, reason } = await Container.run({ ...options, image });
  expect(failed, `${reason}: ${stderr}`).toBe(false);
  const entrypoint = options.entrypoint === undefined ? [] : [`--entrypoint=${JSON.stringify(options.entrypoint)}`];
  return [stdout, await runInPodman(podman, podmans, { options: [...flags, ...entrypoint], command: options.command ?? [] })];
}

describe('entrypoint and cmd', () => {
  const words: ImageConfig = { entrypoint: ['echo', 'entry'], cmd: ['cmd', 'two words'] };
  const shell: ImageConfig = { cmd: ['/bin/sh', '-c', 'echo "in a shell: $A"'], env: { A: 'set' } };

  it.each<[string, ImageConfig, RunOptions, string]>([
    ['both of the image', words, {}, 'entry cmd two words\n'],
    ["a command in the place of the image's", words, { command: ['mine'] }, 'entry mine\n'],
    ["an entrypoint of the caller's, which drops the image's cmd", words, { entrypoint: ['echo', 'other'] }, 'other\n'],
    ["both of the caller's", words, { entrypoint: ['echo'], command: ['mine'] }, 'mine\n'],
    ["no entrypoint, the image's cmd in its shell form", shell, {}, 'in a shell: set\n'],
    ["an empty command, which is the image's", words, { command: [] }, 'entry cmd two words\n'],
    ['an entrypoint in its shell form, which hears no cmd', { ...shell, cmd: ['x'], entrypoint: shell.cmd ?? [] }, {}, 'in a shell: set\n'],
  ])('are combined: %s', async (_, config, options, expected) => {
    expect(await runBoth(await imageWith(config), options)).toEqual([expected, expected]);
  });
});

describe('env', () => {
  it("is the image's, an empty value too, and PATH", async () => {
    const config: ImageConfig = {
      env: { PATH: '/bin:/opt/bin', EMPTY: '', WITH: 'a=b c' },
      cmd: ['sh', '-c', 'echo "$PATH|$(env | grep ^EMPTY=)|$WITH|$HOME"'],
    };
    const expected = '/bin:/opt/bin|EMPTY=|a=b c|/root\n';
    expect(await runBoth(await imageWith(config))).toEqual([expected, expected]);
  });
});

describe('workingDir', () => {
  it.each<[string, string, string]>([
    ['is there', '/var', '/var 0:0 755'],
    ["is made when it is missing, as the user's", '/work/deep', '/work/deep 1000:1000 755'],
    ['is a link', '/link', '/var 0:0 755'],
  ])('%s', async (_, workingDir, expected) => {
    const image = await imageWith({ workingDir, user: '1000', cmd: ['sh', '-c', 'stat -c "$(pwd -P) %u:%g %a" .'] }, 'ln -s /var /link');
    expect(await runBoth(image)).toEqual([`${expected}\n`, `${expected}\n`]);
  });
});

describe('user', () => {
  it.each<[string, string]>([
    ['user', '1000 1000 1000 2000 /home'],
    ['1000', '1000 1000 1000 2000 /home'],
    ['user:extra', '1000 2000 2000 /home'],
    ['1000:7', '1000 7 7 /home'],
    ['4242', '4242 0 0 /'],
    ['4242:17', '4242 17 17 /'],
    ['nobody', '65534 65534 65534 /'],
    [':7', '0 7 7 /root'],
  ])('%s', async (user, expected) => {
    const cmd = ['sh', '-c', 'echo $(id -u) $(id -g) $(id -G) $HOME'];
    expect(await runBoth(await imageWith({ user, cmd }))).toEqual([`${expected}\n`, `${expected}\n`]);
  });

  it('user: is user, as docker reads it: podman forgets the other groups', async () => {
    const { image } = await imageWith({ user: 'user:', cmd: ['id', '-G'] });
    expect((await Container.run({ image })).stdout).toBe('1000 2000\n');
  });

  it.each(['ghost', 'user:ghost'])('%s, who is not there, is an error', async (user) => {
    const { image, podmans } = await imageWith({ user, cmd: ['true'] });
    await expect(Container.run({ image })).rejects.toThrow(/ghost/);
    await expect(runInPodman(podman, podmans)).rejects.toThrow(/ghost/);
  });
});

describe('volumes', () => {
  const script = 'mkdir -p /data/in; echo filled > /data/in/file; chown -R 1000:1000 /data; chmod 750 /data';
  const look =
    'cat /data/in/file; stat -c "%n %u:%g %a" /data /new /new/deep; echo w > /data/x && cat /data/x; echo w > /new/deep/x && echo written';
  const volumes = ['/data', '/new/deep/'];

  it('hold what the image has there, and are made where it has nothing', async () => {
    const expected = 'filled\n/data 1000:1000 750\n/new 0:0 755\n/new/deep 0:0 755\nw\nwritten\n';
    expect(await runBoth(await imageWith({ volumes, cmd: ['sh', '-c', look] }, script))).toEqual([expected, expected]);
  });

  it('can be written to where the root is read-only', async () => {
    const cmd = ['sh', '-c', `${look}; echo x > /etc/x || echo refused`];
    const [ours, theirs] = await runBoth(await imageWith({ volumes, cmd }, script), { readOnly: true }, ['--read-only']);
    expect(ours).toBe(theirs);
    expect(ours).toMatch(/written\nrefused\n$/);
  });

  it("give way to the caller's mount", async () => {
    const image = await imageWith({ volumes, cmd: ['sh', '-c', 'cd /data; ls 1.tar'] }, script);
    expect(await runBoth(image, { volumes: [`${folder}:/data`] }, [`--volume=${folder}:/data`])).toEqual(['1.tar\n', '1.tar\n']);
  });

  it('are no part of what is committed', async () => {
    const { image } = await imageWith(
      { volumes, cmd: ['sh', '-c', 'echo lost > /data/lost; echo lost > /new/deep/lost; echo kept > /kept'] },
      script,
    );
    await using container = await Container.create({ image });
    await container.start();
    await container.wait();
    const changes: string[] = [];
    for await (const { kind, path } of container.changes()) changes.push(`${kind} ${path}`);
    expect(changes).toEqual(['added /kept', 'added /new', 'added /new/deep']);
    const committed = await Image.commit(container, { config: { cmd: ['find', '/data', '/new', '/kept'] } });
    expect((await Container.run({ image: committed })).stdout).toBe('/data\n/data/in\n/data/in/file\n/new\n/new/deep\n/kept\n');
  });

  it('of a hostile image are refused, or stay in its root', async () => {
    const nowhere = await imageWith({ volumes: ['/'], cmd: ['true'] });
    await expect(Container.run({ image: nowhere.image })).rejects.toMatchObject({ name: 'ImageError' });
    const odd = await imageWith(
      { volumes: ['/proc', '/dev/shm', '/sys/kernel', '/out/x'], cmd: ['sh', '-c', 'stat -f -c %T /proc /sys /dev; ls -d /etc/x'] },
      'ln -s ../../../../etc /out',
    );
    const { stdout } = await Container.run({ image: odd.image });
    expect(stdout).toBe('proc\nsysfs\ntmpfs\n/etc/x\n');
  });

  it('behind a link are no part of what is committed either', async () => {
    const cmd = ['sh', '-c', 'echo lost > /var/run/db/lost; echo kept > /kept'];
    const { image } = await imageWith({ volumes: ['/var/run/db'], cmd }, 'ln -s ../run /var/run');
    await using container = await Container.create({ image });
    await container.start();
    expect(await container.wait()).toMatchObject({ status: 'ok' });
    const changes: string[] = [];
    for await (const { kind, path } of container.changes()) changes.push(`${kind} ${path}`);
    expect(changes).toEqual(['added /kept', 'added /run/db']);
    const committed = await Image.commit(container, { config: { cmd: ['find', '/run', '/kept'], volumes: [] } });
    expect((await Container.run({ image: committed })).stdout).toBe('/run\n/run/db\n/kept\n');
  });
});

it('the rest is kept in the record, as podman reads it', async () => {
  const config: ImageConfig = {
    exposedPorts: ['80/tcp', '53/udp'],
    labels: { 'org.example.one': 'a "quoted" value' },
    stopSignal: 'SIGUSR1',
    healthcheck: { test: ['CMD-SHELL', 'true'], interval: 30_000, timeout: 2_000, startPeriod: 1_000, startInterval: 500, retries: 3 },
    volumes: ['/data'],
    cmd: ['true'],
  };
  const { image, podmans } = await imageWith(config);
  expect(image.config).toEqual(config);
  const theirs = JSON.parse(podman('image', 'inspect', '--format', '{{json .Config}}', podmans));
  expect(theirs).toMatchObject({
    ExposedPorts: { '80/tcp': {}, '53/udp': {} },
    Labels: config.labels,
    StopSignal: 'SIGUSR1',
    Volumes: { '/data': {} },
    Cmd: ['true'],
  });
  const blob = execFileSync('cat', [join(process.env.NACELLE_ROOT ?? '', 'blobs', await configDigest(image))], { encoding: 'utf8' });
  expect(JSON.parse(blob).config.Healthcheck).toEqual({
    Test: ['CMD-SHELL', 'true'],
    Interval: 30e9,
    Timeout: 2e9,
    StartPeriod: 1e9,
    StartInterval: 5e8,
    Retries: 3,
  });
});

async function configDigest(image: Image): Promise<string> {
  const manifest = execFileSync('cat', [join(process.env.NACELLE_ROOT ?? '', 'blobs', image.digest.replace(':', '/'))], {
    encoding: 'utf8',
  });
  return JSON.parse(manifest).config.digest.replace(':', '/');
}

it.each(['SIGUSR1', 'usr1', '10', 'SIGRTMIN+3'])('stopSignal %s is what stop() sends', async (stopSignal) => {
  const trap = `trap "echo told; exit 7" ${stopSignal.includes('RT') ? 37 : 'USR1'}; echo ready; while :; do sleep 0.01; done`;
  const { image } = await imageWith({ stopSignal, cmd: ['sh', '-c', trap] });
  await using container = await Container.create({ image });
  await container.start();
  for await (const text of container.stdout ?? []) if (String(text).includes('ready')) break;
  expect(await container.stop()).toMatchObject({ exitCode: 7, status: 'nonzero-exit' });
});
