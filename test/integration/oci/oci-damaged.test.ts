import { execFileSync } from 'node:child_process';
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect } from 'vitest';
import { cgroupFolders, processes, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { seededRandom } from '../../fixtures/random.js';
import { requires } from '../../fixtures/requires.js';
import { rounds, seed } from '../../fixtures/rounds.js';
import { BUNDLE_GROUP, makeBundle, runtimeIn, useRuntimes, type Way } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

// A folder of a container's state in which something is not as create has left it.

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();
const { oci, states } = useRuntimes(folder);
const byNode = runtimeIn(states, 'Node');
const one = join(states, 'one');
const SOMEBODY = 12_345;

/** A file of the host's that nobody has to do with. */
const elsewhere = join(folder, 'elsewhere');

/** What becomes of a file, by its path. */
const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  missing: (path) => rmSync(path),
  empty: (path) => {
    rmSync(path);
    writeFileSync(path, '');
  },
  truncated: (path) => {
    const isFile = existsSync(path) && execFileSync('stat', ['-c', '%F', path], { encoding: 'utf8' }).startsWith('regular');
    const text = isFile ? readFileSync(path) : Buffer.from('0');
    rmSync(path);
    writeFileSync(path, text.subarray(0, text.length / 2));
  },
  garbage: (path) => {
    rmSync(path);
    writeFileSync(path, Buffer.from(Array.from({ length: 5000 }, (_, at) => (at * 7919) % 256)));
  },
  'of another user': (path) => chownSync(path, SOMEBODY, SOMEBODY),
  'a link to a file of the host': (path) => {
    rmSync(path);
    symlinkSync(elsewhere, path);
  },
  'a link to what it was': (path) => {
    renameSync(path, join(folder, 'moved'));
    symlinkSync(join(folder, 'moved'), path);
  },
  'a link to nothing': (path) => {
    rmSync(path);
    symlinkSync(join(folder, 'nothing'), path);
  },
  'a named pipe that nobody writes to': (path) => {
    rmSync(path);
    execFileSync('mkfifo', [path]);
  },
  'a folder': (path) => {
    rmSync(path);
    mkdirSync(join(path, 'below'), { recursive: true });
  },
};
const FILES = ['state.json', 'plans', 'groups.json', 'lock', 'start', 'failed'] as const;
type File = (typeof FILES)[number];

afterEach(() => rmSync(join(folder, 'moved'), { force: true }));

function left(): string[] {
  const groups = cgroupFolders().filter((path) => path.includes(`/${BUNDLE_GROUP}/`));
  const living = processes().filter(
    ({ pid, state }) => (state !== 'Z' && readText(`/proc/${pid}/cgroup`)?.includes(`/${BUNDLE_GROUP}/`)) ?? false,
  );
  return [
    ...(existsSync(states) ? readdirSync(states).filter((name) => !name.startsWith('@code')) : []),
    ...groups,
    ...living.map(({ command }) => command),
  ];
}

const COMMANDS = [
  ['kill', 'WINCH'],
  ['pause'],
  ['resume'],
  ['ps', '--format=json'],
  ['events', '--stats'],
  ['update', '--pids-limit', '100'],
];

interface Trial {
  readonly status: 'created' | 'running';
  readonly way: Way;
  readonly commands: readonly (readonly string[])[];
}

/** Does commands of a container with a file that is damaged, and removes it. */
async function tried(file: File, damage: string, { status, way, commands }: Trial): Promise<void> {
  const told = `${file} is ${damage}, ${status}, by ${way}`;
  const call = way === 'Node' ? byNode : oci;
  writeFileSync(elsewhere, 'kept');
  const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
  expect(await oci('create', '--bundle', bundle, 'one'), told).toMatchObject({ code: 0, stderr: '' });
  if (status === 'running') expect(await oci('start', 'one'), told).toMatchObject({ code: 0, stderr: '' });
  // once it is started there is no pipe of this name
  const path = join(one, file === 'start' && status === 'running' ? 'starting' : file);
  DAMAGES[damage]?.(path);
  // what is believed says whose process is killed, and which groups are removed
  const believed = file !== 'state.json';
  for (const command of commands) {
    const [name = '', ...more] = command;
    const ended = await call(name, ...(name === 'kill' ? ['one', ...more] : [...more, 'one']));
    const what = `${told}: ${command.join(' ')}: ${ended.stderr}`;
    expect([0, 1], what).toContain(ended.code);
    expect(ended.code === 1 && ended.stderr === '', what).toBe(false);
    expect(ended.stderr, what).not.toMatch(/^ +at /m);
    if (!believed) expect(ended.code, what).toBe(1);
    else if (name !== 'start' && name !== 'resume') expect(ended.code, what).toBe(0);
  }
  expect(await call('delete', '--force', 'one'), told).toMatchObject({ code: 0 });
  await expect.poll(left, { message: told }).toEqual([]);
  expect(readFileSync(elsewhere, 'utf8'), told).toBe('kept');
  expect(existsSync(join(folder, 'nothing')), told).toBe(false);
}

describe('a container whose state is damaged', () => {
  const random = seededRandom(seed);
  it.each(FILES)(
    `is removed by delete --force, with nothing believed that others wrote, or led to: %s (seed ${seed})`,
    { timeout: 3_600_000 },
    async (file) => {
      const ways = (['created', 'running'] as const).flatMap((status) => (['front', 'Node'] as const).map((way) => ({ status, way })));
      for (const damage of Object.keys(DAMAGES)) {
        const first = Math.floor(random() * ways.length);
        for (let at = 0; at < rounds(1, ways.length); ++at) {
          const way = ways[(first + at) % ways.length] as (typeof ways)[number];
          const others = rounds(1, COMMANDS.length);
          const from = Math.floor(random() * (COMMANDS.length - others + 1));
          await tried(file, damage, { ...way, commands: [['state'], ...COMMANDS.slice(from, from + others), ['start']] });
        }
      }
    },
  );

  it('is told of where no file says any more which groups it has, and stays for whoever knows', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    const groups = readFileSync(join(one, 'groups.json'), 'utf8');
    for (const name of ['state.json', 'groups.json']) writeFileSync(join(one, name), '{');
    const before = left();
    for (const call of [oci, byNode])
      expect(await call('delete', '--force', 'one')).toMatchObject({ code: 1, stderr: expect.stringContaining('groups.json') });
    expect(left()).toEqual(before);
    writeFileSync(join(one, 'groups.json'), groups);
    expect(await oci('delete', '--force', 'one')).toMatchObject({ code: 0, stderr: expect.stringContaining('state.json') });
    await expect.poll(left).toEqual([]);
  });

  it('is no container where its folder is a link, or of another user', async () => {
    const bundle = makeBundle(folder, ['busybox', 'sleep', '1000']);
    expect(await oci('create', '--bundle', bundle, 'one')).toMatchObject({ code: 0, stderr: '' });
    const moved = join(folder, 'moved-state');
    renameSync(one, moved);
    symlinkSync(moved, one);
    copyFileSync(join(moved, 'state.json'), join(folder, 'copy'));
    const refused = async (): Promise<void> => {
      for (const call of [oci, byNode])
        for (const command of [['state'], ['kill'], ['start'], ['delete', '--force']])
          expect(await call(...command, 'one'), command.join(' ')).toMatchObject({
            code: 1,
            stderr: expect.stringContaining("can't be trusted"),
          });
    };
    await refused();
    rmSync(one);
    renameSync(moved, one);
    chownSync(one, SOMEBODY, SOMEBODY);
    await refused();
    chownSync(one, 0, 0);
    expect(await oci('delete', '--force', 'one')).toEqual({ code: 0, stdout: '', stderr: '' });
    await expect.poll(left).toEqual([]);
  });
});
