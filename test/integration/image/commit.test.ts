import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { beforeEach, expect } from 'vitest';
import { type Change, Container, Image, OverlayFs } from '../../../lib/index.js';
import { loadBusybox } from '../../fixtures/busybox-image.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { recipeOf } from '../../fixtures/recipe.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { layoutOf } from '../../fixtures/tiny-image.js';

useLeakCheck();
const { it, describe } = requires({ containers: true, groups: true, tools: ['tar', 'busybox'] });
const asRoot = requires({ root: true, tools: ['tar', 'busybox', 'umoci'] });

const folder = temporaryFolder();
const store = useNewStore(folder);

let image: Image;
const created = new Date('2026-01-02T03:04:05Z');
beforeEach(async () => {
  image = await loadBusybox();
});

async function list(changes: AsyncIterable<Change>): Promise<string[]> {
  const all: string[] = [];
  for await (const { kind, path, type } of changes) all.push(`${kind} ${path} ${type}`);
  return all;
}

const script = 'mkdir /made; echo new > /made/file; ln -s file /made/link; rm /etc/passwd; chmod 700 /etc; echo more >> /etc/group';
const expected = [
  'modified /etc directory',
  'modified /etc/group file',
  'deleted /etc/passwd file',
  'added /made directory',
  'added /made/file file',
  'added /made/link symlink',
];
describe('what a container changed', () => {
  it.each(['tmpfs', 'disk'] as const)('is told while it runs and after its end, until it is removed, in a %s', async (upper) => {
    const container = await Container.create({ image, upper, command: ['sh', '-c', `${script}; echo done; read line`], stdin: 'pipe' });
    await container.start();
    for await (const text of container.stdout ?? []) if (String(text).includes('done')) break;
    expect(await list(container.changes())).toEqual(expected);
    container.stdin?.end('\n');
    await container.wait();
    expect(await list(container.changes())).toEqual(expected);
    if (upper === 'disk') expect(readdirSync(join(store.root, 'containers'))).toEqual([container.id]);
    await container.remove();
    if (upper === 'disk') expect(readdirSync(join(store.root, 'containers'))).toEqual([]);
    await expect(list(container.changes())).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  it("has none of the places of mounts, where the image has none: those that every container has, and the caller's", async () => {
    const base = await Image.open(`oci:${layoutOf({ bare: [{ 'etc/only': '' }] }, folder)}:bare`);
    await using container = await Container.create({
      image: base,
      command: ['/bin/busybox', 'sh', '-c', 'cat /etc/hosts; echo x > /made; echo y > /kept/made'],
      mounts: [
        { type: 'bind', source: join(await busyboxRootfs(), 'bin'), target: '/bin' },
        { type: 'bind', source: join(await busyboxRootfs(), 'bin/busybox'), target: '/some/where/file' },
        { type: 'tmpfs', target: '/kept/here' },
      ],
    });
    await container.start();
    expect((await container.wait()).stdout).toContain('localhost');
    expect(await list(container.changes())).toEqual(['added /kept directory', 'added /kept/made file', 'added /made file']);
    const tar = execFileSync('tar', ['-t'], { input: await buffer(await container.layer()), encoding: 'utf8' });
    expect(tar).toBe('kept/\nkept/made\nmade\n');
  });

  it('is nothing where the root is a folder that is written to', async () => {
    const rootfs = mkdtempSync(join(folder, 'rootfs-'));
    execFileSync('cp', ['-a', `${await busyboxRootfs()}/.`, rootfs]);
    await using container = await Container.create({ rootfs, command: ['true'] });
    expect(() => container.changes()).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
    await expect(Image.commit(container)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  it('of the host is told mount by mount', async () => {
    await using container = await Container.create({ image: 'host', command: ['sh', '-c', 'echo x > /srv/nacelle-test'] });
    await container.start();
    await container.wait();
    expect(await list(container.changes())).toContain('added /srv/nacelle-test file');
    await expect(Image.commit(container)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });
});

/** The times of what a container wrote, as tar tells them. */
async function clampedTimes(container: Container): Promise<Set<string>> {
  const input = await buffer(await container.layer({ clampMtime: created }));
  const lines = execFileSync('tar', ['-t', '-v', '--utc', '--full-time'], { input, encoding: 'utf8' }).split('\n').filter(Boolean);
  // whiteouts have none
  return new Set(lines.filter((line) => !line.includes('.wh.')).map((line) => /\d{4}-\S+ \S+/.exec(line)?.[0] ?? line));
}

describe('commit', () => {
  async function changed(command = script): Promise<Container> {
    const container = await Container.create({ image, command: ['sh', '-c', command] });
    await container.start();
    expect(await container.wait()).toMatchObject({ status: 'ok' });
    return container;
  }

  asRoot.it('makes an image that has the changes, and runs as it says', async () => {
    await using container = await changed();
    const options = {
      reference: 'local/committed:1',
      author: 'somebody',
      comment: 'for a test',
      created,
      config: {
        cmd: ['sh', '-c', 'cat /made/file; ls /etc/passwd; echo $A; pwd'],
        env: { A: 'is set' },
        workingDir: '/made',
        labels: { a: 'b' },
      },
    };
    const made = await Image.commit(container, options);
    expect(made).toMatchObject({
      reference: 'docker.io/local/committed:1',
      layers: { length: image.layers.length + 1 },
      config: options.config,
    });
    const result = await Container.run({ image: 'local/committed:1' });
    expect(result.stdout).toBe('new\nis set\n/made\n');
    expect(result.stderr).toContain('No such file');
    const { size, digest } = made;
    expect((await Image.list()).find(({ reference }) => reference === made.reference)).toMatchObject({ size, digest, createdAt: created });
    const bundle = join(folder, 'bundle');
    await made.save(`${join(folder, 'saved')}/`);
    execFileSync('umoci', ['unpack', '--image', `${join(folder, 'saved')}:${made.reference}`, bundle], { stdio: 'ignore' });
    expect(readFileSync(join(bundle, 'rootfs/made/file'), 'utf8')).toBe('new\n');
    expect(readdirSync(join(bundle, 'rootfs/etc'))).not.toContain('passwd');
    const history = JSON.parse(
      execFileSync('umoci', ['stat', '--image', `${join(folder, 'saved')}:${made.reference}`, '--json'], { encoding: 'utf8' }),
    );
    expect(history.history.at(-1)).toMatchObject({
      author: 'somebody',
      comment: 'for a test',
      created: '2026-01-02T03:04:05Z',
      layer: { digest: made.layers.at(-1)?.digest },
    });
  });

  it('gives the same bytes for the same changes and date', async () => {
    const digests: string[] = [];
    for (let round = 0; round < 2; round++) {
      await using container = await changed(
        `${script}; touch -d @1000 /made/file /made/link /made /etc /etc/group; touch -h -d @1000 /made/link`,
      );
      digests.push((await Image.commit(container, { created })).digest);
      process.env.SOURCE_DATE_EPOCH = String(created.getTime() / 1000);
      try {
        digests.push((await Image.commit(container)).digest);
      } finally {
        delete process.env.SOURCE_DATE_EPOCH;
      }
    }
    expect(new Set(digests).size).toBe(1);
  });

  it('cuts off times that are later than a given date, so that when it ran makes no difference', async () => {
    const digests = new Set<string>();
    for (let round = 0; round < 2; round++) {
      await using container = await changed(`${script}; sleep 0.01`);
      digests.add((await Image.commit(container, { created })).digest);
      expect(await clampedTimes(container)).toEqual(new Set(['2026-01-02 03:04:05']));
    }
    expect(digests.size).toBe(1);
  });

  it('can be done again on what it made, by a container that runs', async () => {
    await using first = await changed();
    const one = await Image.commit(first);
    await using second = await Container.create({ image: one, command: ['sh', '-c', 'echo second > /made/second; echo done; sleep 1000'] });
    await second.start();
    for await (const text of second.stdout ?? []) if (String(text).includes('done')) break;
    const two = await Image.commit(second, { config: { cmd: ['cat', '/made/file', '/made/second'] } });
    expect(two.layers.slice(0, -1)).toEqual(one.layers);
    expect((await Container.run({ image: two })).stdout).toBe('new\nsecond\n');
  });

  it('can clear what the base says, and drops its cmd with a new entrypoint', async () => {
    await using container = await changed();
    const base = await Image.commit(container, { config: { user: '0', stopSignal: 'SIGQUIT', cmd: ['sh'], workingDir: '/etc' } });
    await using on = await Container.create({ image: base, command: ['true'] });
    const cleared = await Image.commit(on, { config: { user: '', stopSignal: '', entrypoint: ['echo', 'entry'] } });
    expect(cleared.config).toEqual({ workingDir: '/etc', entrypoint: ['echo', 'entry'] });
    expect((await Container.run({ image: cleared })).stdout).toBe('entry\n');
    expect((await Image.commit(on, { config: { entrypoint: ['echo'], cmd: ['both'] } })).config).toMatchObject({
      entrypoint: ['echo'],
      cmd: ['both'],
    });
  });

  it('does not pass over a SOURCE_DATE_EPOCH that is wrong', async () => {
    await using container = await changed();
    process.env.SOURCE_DATE_EPOCH = '2026-01-02';
    try {
      await expect(Image.commit(container)).rejects.toMatchObject({
        code: 'ERR_INVALID_OPTION',
        message: expect.stringMatching(/SOURCE_DATE_EPOCH/),
      });
    } finally {
      delete process.env.SOURCE_DATE_EPOCH;
    }
  });

  asRoot.it('of an overlay has each of its folders as a layer', async () => {
    const [low, high] = ['low', 'high'].map((name) => join(folder, `lower-${name}`));
    for (const path of [low, high]) mkdirSync(path ?? '', { recursive: true });
    writeFileSync(join(low ?? '', 'a'), 'low');
    writeFileSync(join(low ?? '', 'b'), 'low');
    writeFileSync(join(high ?? '', 'b'), 'high');
    await using overlay = await OverlayFs.mount({ lower: [high ?? '', low ?? ''], target: mkdtempSync(join(folder, 'target-')) });
    writeFileSync(join(overlay.path, 'c'), 'changed');
    execFileSync('rm', [join(overlay.path, 'a')]);
    const made = await Image.commit(overlay, { reference: 'local/overlay', config: { labels: { of: 'overlay' } }, created });
    expect(made.layers).toHaveLength(3);
    const again = await OverlayFs.mount({
      lower: [...((await recipeOf(made)).mounts[0]?.lower ?? [])],
      readOnly: true,
      target: mkdtempSync(join(folder, 'target-')),
    });
    try {
      expect(readdirSync(again.path).sort()).toEqual(['b', 'c']);
      expect(readFileSync(join(again.path, 'b'), 'utf8')).toBe('high');
    } finally {
      await again.unmount();
    }
  });

  it('brings what it lies on into the store, from a layout', async () => {
    const layout = layoutOf({ one: [{ 'bin/x': 'x' }] }, folder);
    const rootfs = await busyboxRootfs();
    const from = await Image.open(`oci:${layout}:one`);
    await using container = await Container.create({
      image: from,
      command: ['/busybox', 'true'],
      mounts: [{ type: 'bind', source: join(rootfs, 'bin/busybox'), target: '/busybox' }],
    });
    await container.start();
    await container.wait();
    const made = await Image.commit(container, { reference: 'local/from:layout' });
    const saved = join(folder, 'from-layout.tar');
    await made.save(saved);
    store.renew();
    expect((await Image.load(saved)).map(({ digest }) => digest)).toEqual([made.digest]);
  });

  it('refuses what is wrong before anything is made', async () => {
    await using container = await changed();
    for (const [options, name] of [
      [{ reference: 'A b' }, 'reference'],
      [{ reference: `a@sha256:${'0'.repeat(64)}` }, 'reference'],
      [{ config: { cmd: 'sh' } }, 'config.cmd'],
      [{ config: { workingDir: 'relative' } }, 'config.workingDir'],
      [{ config: { env: { 'A=B': '' } } }, 'config.env'],
      [{ config: { stopSignal: 'SIGFOO' } }, 'config.stopSignal'],
      [{ created: 'today' }, 'created'],
      [{ tag: 'x' }, 'tag'],
    ] as const) {
      const committing = Image.commit(container, JSON.parse(JSON.stringify(options)));
      await expect(committing).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION', message: expect.stringContaining(`option ${name}`) });
    }
    expect(await Image.list()).toHaveLength(1);
  });
});

it("an image's StopSignal that is none is refused before anything is made", async () => {
  const layout = layoutOf({ one: [{ 'bin/x': 'x' }] }, folder);
  execFileSync('umoci', ['config', '--image', `${layout}:one`, '--config.stopsignal', 'SIGFOO']);
  await expect(Container.create({ image: `oci:${layout}:one`, command: ['x'] })).rejects.toMatchObject({
    name: 'ImageError',
    message: expect.stringMatching(/SIGFOO/),
  });
});
