import { chmodSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import * as z from 'zod';
import { chainIds } from '../../lib/image/formats/image-documents.js';
import {
  BuildCache,
  type BuildEvent,
  type BuildOptions,
  type BuildResult,
  build,
  type CachedStepInfo,
  Container,
  Image,
  type PruneReport,
} from '../../lib/index.js';
import { tidyLeases } from '../../lib/store/lease.js';
import { buildContext } from '../fixtures/build-context.js';
import { told } from '../fixtures/builds.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';
/** What a step writes that is never the same twice: equal layers are one layer. */
const RANDOM = 'head -c 16 /dev/urandom | hexdump';

/** What the program `build` prints. */
const result = z.object({ layers: z.array(z.string()) });

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip'] });

describe("build's cache", () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);

  let count = 0;
  const context = (files: Record<string, string>): string => buildContext(folder, files);

  async function made(path: string, lines: readonly string[], options: BuildOptions = {}): Promise<BuildResult> {
    return build({ context: path, dockerfile: { content: [`FROM ${BASE}`, ...lines].join('\n') }, pull: 'never', ...options });
  }

  async function base(): Promise<void> {
    await (await loadBusybox()).tag(BASE);
  }

  async function cachedSteps(): Promise<CachedStepInfo[]> {
    return (await BuildCache.list()).filter((info) => info.type === 'step');
  }

  function layers({ image }: BuildResult): string[] {
    return image.layers.map(({ digest }) => digest);
  }

  function blob(digest: string | undefined): string {
    return join(store.root, 'blobs', (digest ?? '').replace(':', '/'));
  }

  const LINES = ['ENV A=1', 'WORKDIR /w/x', 'COPY . .', `RUN ${RANDOM} > one`, 'USER 1000', 'LABEL a=b', `RUN ${RANDOM} > /tmp/two`];

  it('takes all layers of what was built before, and gives the same image', async () => {
    await base();
    const path = context({ a: '1', 'b/c': '2' });
    const events: BuildEvent[] = [];
    const first = await made(path, LINES);
    const second = await made(path, LINES, { onProgress: (event) => events.push(event) });
    expect([told(first), told(second)]).toEqual(['-rrr--r', '-ccc--c']);
    expect(second.image.digest).toBe(first.image.digest);
    expect(events.flatMap((event) => (event.type === 'done' ? [event.cached] : []))).toEqual([null, true, true, true, null, null, true]);
    expect(events.filter(({ type }) => type === 'output')).toEqual([]);
    expect(second.steps[3]).toMatchObject({ stage: '0', instruction: LINES[3], line: 5, cached: true, durationMs: expect.any(Number) });
    const { stdout } = await Container.run({ image: second.image, entrypoint: ['/bin/sh'], command: ['-c', 'cat a b/c'], reject: true });
    expect(stdout).toBe('12');
  });

  it.each<[string, (path: string) => void, string]>([
    ['a time', (path) => utimesSync(join(path, 'a'), 1, 1), 'cccc'],
    ['other bytes', (path) => writeFileSync(join(path, 'a'), '2'), 'crrr'],
    ['a mode', (path) => chmodSync(join(path, 'a'), 0o700), 'crrr'],
    ['a new file', (path) => writeFileSync(join(path, 'c'), ''), 'crrr'],
    ['a file less', (path) => rmSync(join(path, 'b'), { recursive: true }), 'crrr'],
    ['a file that is left out', (path) => writeFileSync(join(path, 'out'), '2'), 'cccc'],
  ])('%s of the context', async (_, change, expected) => {
    await base();
    const path = context({ a: '1', 'b/c': '2', out: '1', '.dockerignore': 'out' });
    const lines = [`RUN ${RANDOM} > /zero`, 'COPY . /x/', `RUN ${RANDOM} > /one`, `RUN ${RANDOM} > /two`];
    const first = await made(path, lines);
    change(path);
    const second = await made(path, lines);
    expect(told(second)).toBe(expected);
    const same = layers(second).filter((digest, index) => digest === layers(first)[index]).length;
    expect(same).toBe(1 + expected.replaceAll('r', '').length);
  });

  it.each<[string, readonly string[], readonly string[], string]>([
    ['the order of ENV', ['ENV A=1', 'ENV B=2', 'RUN true'], ['ENV B=2', 'ENV A=1', 'RUN true'], '--c'],
    ['another value', ['ENV A=1', 'RUN true'], ['ENV A=2', 'RUN true'], '-r'],
    ['a label', ['LABEL a=1', 'RUN true'], ['LABEL a=2', 'RUN true'], '-c'],
    ['a user', ['USER 1', 'RUN true'], ['USER 2', 'RUN true'], '-r'],
    ['the shell', ['RUN true'], ['SHELL ["/bin/sh", "-ec"]', 'RUN true'], '-r'],
    ['a script', ['RUN <<E', '#!/bin/sh', 'true', 'E'], ['RUN <<E', '#!/bin/sh', ':', 'E'], 'r'],
    ['where it is copied to', ['COPY a /x'], ['COPY a /y'], 'r'],
    ['the name that it has there', ['COPY a /usr'], ['COPY same /usr'], 'r'],
    ['the owner', ['COPY --chown=1 a /x'], ['COPY --chown=2 a /x'], 'r'],
    ['the mode', ['COPY --chmod=600 a /x'], ['COPY --chmod=700 a /x'], 'r'],
    ['the mode that it has anyway', ['COPY a /x'], ['COPY --chmod=u=rw,go=r a /x'], 'c'],
    ['the mode of folders that are made', ['COPY --chmod=u=rw,go=r a /n/x'], ['COPY --chmod=644 a /n/x'], 'r'],
    ['the text of a heredoc', ['COPY <<E /x', '1', 'E'], ['COPY <<E /x', '2', 'E'], 'r'],
    ['the network', ['RUN true'], ['RUN --network=none true'], 'c'],
  ])('%s', async (_, before, after, expected) => {
    await base();
    const path = context({ a: '1', same: '1' });
    for (const name of ['a', 'same']) chmodSync(join(path, name), 0o644);
    await made(path, before);
    expect(told(await made(path, after))).toBe(expected);
  });

  it('an ARG counts from its line on, and proxies never do', async () => {
    await base();
    const path = context({});
    const lines = [`RUN ${RANDOM} > /one`, 'ARG V', `RUN ${RANDOM} > /two`];
    await made(path, lines, { buildArgs: { V: '1', HTTP_PROXY: 'http://a' } });
    expect(told(await made(path, lines, { buildArgs: { V: '2' } }))).toBe('c-r');
    expect(told(await made(path, lines, { buildArgs: { V: '1', HTTP_PROXY: 'http://b' } }))).toBe('c-c');
    expect(told(await made(path, lines, { buildArgs: { V: '1' }, sourceDateEpoch: 1 }))).toBe('r-r');
  });

  it('COPY --from counts by what it copies', async () => {
    await base();
    const text = (word: string, kept: string): string =>
      [
        `FROM ${BASE} AS make`,
        `RUN echo ${word} > /away && echo ${kept} > /kept`,
        `FROM ${BASE}`,
        'COPY --from=make /kept /',
        'RUN true',
      ].join('\n');
    const run = (word: string, kept: string) => build({ context: context({}), dockerfile: { content: text(word, kept) }, pull: 'never' });
    await run('1', '1');
    expect([told(await run('2', '1')), told(await run('2', '2')), told(await run('2', '2'))]).toEqual(['rcc', 'rrr', 'ccc']);
  });

  it('without the cache all is carried out, and takes the place of what was there', async () => {
    await base();
    const path = context({});
    const lines = [`RUN ${RANDOM} > /one`, `RUN ${RANDOM} > /two`];
    const first = await made(path, lines);
    const second = await made(path, lines, { cache: false });
    const third = await made(path, lines);
    expect([told(first), told(second), told(third)]).toEqual(['rr', 'rr', 'cc']);
    expect(layers(second)[1]).not.toBe(layers(first)[1]);
    expect(layers(third)).toEqual(layers(second));
  });

  it.each<[string, (path: string) => void]>([
    ['gone', (path) => rmSync(path)],
    ['cut off', (path) => writeFileSync(path, readFileSync(path).subarray(0, 20))],
    ['damaged', (path) => writeFileSync(path, readFileSync(path).fill(0x55, 20, 40))],
  ])('a layer that is %s is made again', async (_, harm) => {
    await base();
    const path = context({ a: 'something that has some length' });
    const lines = ['COPY a /a', `RUN ${RANDOM} > /one`];
    const first = await made(path, lines, { sourceDateEpoch: 1 });
    const [, copied] = layers(first);
    harm(blob(copied));
    const second = await made(path, lines, { sourceDateEpoch: 1 });
    expect(told(second)).toBe('rc');
    // the blob is whole again, under the same digest
    expect(layers(second)).toEqual(layers(first));
    await second.image.save(join(folder, `whole-${count++}.tar`));
    harm(blob(layers(first)[2]));
    expect(told(await made(path, lines, { sourceDateEpoch: 1 }))).toBe('cr');
  });

  it.each(['', '{', '{"version":1}', 'null'])('a record with %j is none', async (text) => {
    await base();
    const path = context({});
    await made(path, ['RUN true']);
    const records = join(store.root, 'build-cache/sha256');
    for (const name of readdirSync(records)) writeFileSync(join(records, name), text);
    expect(await BuildCache.list()).toEqual([]);
    expect(told(await made(path, ['RUN true']))).toBe('r');
    expect(told(await made(path, ['RUN true']))).toBe('c');
  });

  it('a record of another key, put in its place, is none', async () => {
    await base();
    const path = context({});
    await made(path, [`RUN echo 1 > /x`]);
    const [one = ''] = readdirSync(join(store.root, 'build-cache/sha256'));
    await made(path, [`RUN echo 2 > /x`]);
    const two = readdirSync(join(store.root, 'build-cache/sha256')).find((name) => name !== one) ?? '';
    const at = (name: string): string => join(store.root, 'build-cache/sha256', name);
    writeFileSync(at(two), readFileSync(at(one)));
    expect(told(await made(path, [`RUN echo 2 > /x`]))).toBe('r');
  });

  it('a build that fails or is ended leaves the steps before', async () => {
    await base();
    const path = context({});
    const lines = [`RUN ${RANDOM} > /one`, 'RUN false'];
    await expect(made(path, lines)).rejects.toMatchObject({ name: 'BuildError', line: 3 });
    const controller = new AbortController();
    const ended = made(path, [lines[0] ?? '', 'RUN echo begun; while :; do :; done'], {
      cancelSignal: controller.signal,
      onProgress: ({ type }) => void (type === 'output' && controller.abort(new Error('enough'))),
    });
    await expect(ended).rejects.toThrow('enough');
    expect((await cachedSteps()).map(({ instruction }) => instruction)).toEqual([lines[0]]);
    expect(told(await made(path, [lines[0] ?? '']))).toBe('c');
  });

  it('two builds at once', async () => {
    await base();
    const path = context({ a: '1' });
    const both = await Promise.all([made(path, LINES), made(path, LINES)]);
    const third = await made(path, LINES);
    expect(told(third)).toBe('-ccc--c');
    // all layers of one: none lies on another's
    expect(both.map(layers)).toContainEqual(layers(third));
    await third.image.save(join(folder, `both-${count++}.tar`));
  });

  it('two processes at once', async () => {
    await base();
    const path = context({ a: '1' });
    const text = [`FROM ${BASE}`, ...LINES].join('\n');
    const programs = [startNode('build', [path, text]), startNode('build', [path, text])];
    const built = await Promise.all(programs.map(({ ended }) => ended));
    expect(built.map(({ stderr }) => stderr)).toEqual(['', '']);
    const both = built.map(({ stdout }) => result.parse(JSON.parse(stdout.split('\n')[1] ?? '')).layers);
    const third = await made(path, LINES);
    expect(told(third)).toBe('-ccc--c');
    expect(both).toContainEqual(layers(third));
  });

  it('lists what it has, keeps it when images go, and prunes', async () => {
    await base();
    const path = context({ a: '1' });
    const lines = ['WORKDIR /', 'COPY a /x', `RUN ${RANDOM} > /one`];
    const first = await made(path, lines);
    const listed = await cachedSteps();
    expect(listed.map(({ instruction }) => instruction).toSorted()).toEqual(lines.toSorted());
    for (const { instruction, digest, size, createdAt, lastUsedAt } of listed) {
      expect(digest).toBe(instruction === 'WORKDIR /' ? null : layers(first)[lines.indexOf(instruction)]);
      expect(size).toBe(digest === null ? 0 : statSync(blob(digest)).size);
      expect(lastUsedAt.getTime()).toBeGreaterThanOrEqual(createdAt.getTime());
    }
    await first.image.remove();
    await tidyLeases();
    await Image.prune();
    expect(told(await made(path, lines))).toBe('ccc');
    expect((await Image.list()).map(({ digest }) => digest)).toContain(first.image.digest);
    await (await made(path, lines)).image.remove();
    // COPY reads the files of the stage below, which no image has then
    await made(path, [...lines, 'FROM scratch', 'COPY --from=0 /one /']);
    const steps = await cachedSteps();
    expect(steps).toHaveLength(listed.length + 1);
    await tidyLeases();
    const report: PruneReport = await BuildCache.prune();
    expect(report.keys?.toSorted()).toEqual(steps.map(({ key }) => key).toSorted());
    expect(report.blobs).toEqual(expect.arrayContaining(layers(first).slice(1)));
    const unpacked = chainIds(first.image.layers.map(({ diffId }) => diffId));
    expect(report.layers?.toSorted()).toEqual(unpacked.slice(1).toSorted());
    expect(report.bytes).toBeGreaterThan(0);
    expect(await BuildCache.list()).toEqual([]);
    expect(told(await made(path, lines))).toBe('rrr');
  });

  it('what an image needs stays when the cache is pruned', async () => {
    await base();
    const path = context({ a: '1' });
    const { image } = await made(path, ['COPY a /x'], { tags: ['test/kept:1'] });
    await tidyLeases();
    expect((await BuildCache.prune()).blobs).toEqual([]);
    const { stdout } = await Container.run({
      image: 'test/kept:1',
      pull: 'never',
      entrypoint: ['/bin/cat'],
      command: ['/x'],
      reject: true,
    });
    expect(stdout).toBe('1');
    expect(image.layers).toHaveLength(2);
  });
});
