import { mkdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { Container } from '../../../lib/index.js';
import { fileOf, useDetached } from '../../fixtures/detached.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
useDetached();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox'] });

async function started(): Promise<Container> {
  const container = await Container.create({ ...(await busybox()), detach: true, command: ['sleep', '1000'] });
  await container.start();
  return container;
}

type Note = { version: unknown; boot: unknown; record: Record<string, unknown> };

/** The note with a change. */
function changed(text: string, change: (note: Note) => unknown): string {
  const note: Note = JSON.parse(text);
  change(note);
  return JSON.stringify(note);
}

/** How a note is damaged: what is written in its place, of what was there, or what is done to the file. */
type Damage = readonly [string, (text: string, path: string) => unknown];

/** Each part of the record is missing, or of a wrong type. */
function damagedParts(text: string): Damage[] {
  const note: Note = JSON.parse(text);
  return Object.entries(note.record).flatMap(([key, value]): Damage[] => {
    const wrong = typeof value === 'number' ? 'x' : 7;
    const damages: Damage[] = [
      [`${key} of a wrong type`, () => changed(text, ({ record }) => Object.assign(record, { [key]: wrong }))],
      [`no ${key}`, () => changed(text, ({ record }) => Reflect.deleteProperty(record, key))],
    ];
    // an older version of this library has noted none of them
    return ['networks', 'links', 'ports', 'sharedNetworks', 'guarded', 'options', 'userns', 'bundle'].includes(key)
      ? damages.slice(0, 1)
      : damages;
  });
}

const damages: readonly Damage[] = [
  ['nothing', () => ''],
  ['its first half', (text) => text.slice(0, text.length / 2)],
  ['all but its last byte', (text) => text.slice(0, -1)],
  ['no JSON', () => '\0\u0001garbage'],
  ['JSON of something else', () => '[1, "two", null]'],
  ['a number', () => '7'],
  ['no record', (text) => changed(text, (note) => Reflect.deleteProperty(note, 'record'))],
  ['another version', (text) => changed(text, (note) => Object.assign(note, { version: 99 }))],
  ['a version that is no number', (text) => changed(text, (note) => Object.assign(note, { version: '1' }))],
  ['a record that is a list', (text) => changed(text, (note) => Object.assign(note, { record: [] }))],
  ['labels of a wrong type', (text) => changed(text, ({ record }) => Object.assign(record, { labels: { a: 5 } }))],
  ['groups of a wrong type', (text) => changed(text, ({ record }) => Object.assign(Object(record.group), { paths: { memory: {} } }))],
  ['the note of another container', (text) => changed(text, ({ record }) => Object.assign(record, { id: 'f'.repeat(32) }))],
  ['brackets without end', () => '['.repeat(1_000_000)],
  // a sparse file
  ['3 GB of nothing', (_, path) => void truncateSync(path, 3 * 1024 ** 3)],
  [
    'a folder',
    (_, path) => {
      rmSync(path);
      mkdirSync(path);
    },
  ],
  [
    'a device without end',
    (_, path) => {
      rmSync(path);
      symlinkSync('/dev/zero', path);
    },
  ],
];

describe('a note that is damaged', () => {
  it('is told with its path by whoever attaches, and hides no other container', async () => {
    const container = await started();
    const other = await started();
    const note = fileOf(container.id, 'note');
    const text = readFileSync(note, 'utf8');
    for (const [what, damage] of [...damages, ...damagedParts(text)]) {
      const damaged = damage(text, note);
      if (typeof damaged === 'string') writeFileSync(note, damaged);
      const attached = await Container.attach(container.id).catch((error: unknown) => error);
      expect(attached, what).toMatchObject({ name: 'NacelleError', code: 'ERR_NOTE', message: expect.stringContaining(note) });
      expect(
        (await Container.list()).map(({ id }) => id),
        what,
      ).toEqual([other.id]);
      rmSync(note, { recursive: true });
      writeFileSync(note, text, { mode: 0o600 });
    }
    expect((await Container.attach(container.id)).state).toBe('running');
    expect(await Container.list()).toHaveLength(2);
  });

  it.each<Damage>([
    ['damaged', (_, path) => void writeFileSync(path, '{')],
    // open(2): ELOOP
    [
      'not to be read',
      (_, path) => {
        rmSync(path);
        symlinkSync(path, path);
      },
    ],
  ])('that is %s lets its container be killed and waited for by whoever has it', async (_, damage) => {
    const container = await started();
    damage('', fileOf(container.id, 'note'));
    await container.kill();
    expect(await container.wait()).toMatchObject({ status: 'signalled', signal: 'SIGKILL' });
    await container.remove();
    expect(await Container.list()).toEqual([]);
  });

  it('keeps prune() from no other, and is told by it', async () => {
    const ended = await Promise.all([started(), started(), started()]);
    for (const container of ended) {
      await container.kill();
      await container.wait();
    }
    const [one, two, three] = ended as [Container, Container, Container];
    const texts = [one, two].map(({ id }) => readFileSync(fileOf(id, 'note'), 'utf8'));
    for (const { id } of [one, two]) writeFileSync(fileOf(id, 'note'), '{');
    await expect(Container.prune()).rejects.toMatchObject({
      name: 'NacelleError',
      code: 'ERR_NOTE',
      cleanupError: { name: 'NacelleError', code: 'ERR_NOTE' },
    });
    await expect(Container.attach(three.id)).rejects.toMatchObject({ code: 'ERR_NO_CONTAINER' });
    for (const [at, { id }] of [one, two].entries()) writeFileSync(fileOf(id, 'note'), texts[at] ?? '');
    expect((await Container.prune()).containers.toSorted()).toEqual([one.id, two.id].toSorted());
  });
});

it('a note of another boot is that of no container', async () => {
  const container = await started();
  const note = fileOf(container.id, 'note');
  const text = readFileSync(note, 'utf8');
  writeFileSync(
    note,
    changed(text, (of) => Object.assign(of, { boot: '00000000-0000-4000-8000-000000000000' })),
  );
  await expect(Container.attach(container.id)).rejects.toMatchObject({
    code: 'ERR_NO_CONTAINER',
    message: expect.stringContaining(container.id),
  });
  expect(await Container.list()).toEqual([]);
  expect(await Container.prune()).toEqual({ containers: [] });
  writeFileSync(note, text);
  expect(await Container.list()).toMatchObject([{ id: container.id, state: 'running' }]);
});

it('a note that would be longer than anybody reads is refused, and nothing is left', async () => {
  const labels = { long: 'x'.repeat(65 * 1024 ** 2) };
  await expect(Container.create({ ...(await busybox()), detach: true, command: ['true'], labels })).rejects.toMatchObject({
    name: 'NacelleError',
    code: 'ERR_NOTE',
  });
  expect(await Container.list()).toEqual([]);
});
