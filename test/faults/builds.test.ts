import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { digestOf } from '../../lib/image/formats/digest.js';
import { BuildCache, type BuildResult, build, Container, Image, reap } from '../../lib/index.js';
import { tidyLeases } from '../../lib/store/lease.js';
import { buildContext } from '../fixtures/build-context.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { startNode } from '../fixtures/node.js';
import { seededRandom } from '../fixtures/random.js';
import { requires } from '../fixtures/requires.js';
import { rounds, seed } from '../fixtures/rounds.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';
/** What a step writes that is never the same twice: equal layers are one layer. */
const RANDOM = 'head -c 16 /dev/urandom | hexdump';
/** Steps of all kinds that are cached, in two stages. */
const LINES = [
  `FROM ${BASE} AS one`,
  'ARG ROUND=0',
  `RUN ${RANDOM} > /one`,
  `RUN --mount=type=cache,target=/c ${RANDOM} >> /c/all; cp /c/all /two`,
  `FROM ${BASE}`,
  'ARG ROUND=0',
  'WORKDIR /w/x',
  'COPY . .',
  'ADD files.tar /unpacked/',
  `RUN --mount=source=a,target=/m cat /m > /m-copy; ${RANDOM} > last`,
  'COPY --from=one /one /two /',
  `RUN ${RANDOM} > /last`,
];
const [cancels, kills] = [rounds(2, 100), rounds(2, 50)];

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip'] });

describe('a build that ends at any moment', () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);

  async function context(): Promise<string> {
    await (await loadBusybox()).tag(BASE);
    const path = buildContext(folder, { a: '1', 'd/b': 'b'.repeat(100_000) });
    execFileSync('tar', ['-C', path, '-cf', join(path, 'files.tar'), 'a', 'd']);
    return path;
  }

  /** Another build than those before, none of whose steps they have carried out. */
  function begin(path: string, round: number): void {
    const text = LINES.map((line) => (line.startsWith('ARG ROUND') ? `ARG ROUND=${round}` : line)).join('\n');
    writeFileSync(join(path, 'Dockerfile'), text.replace('WORKDIR /w/x', `WORKDIR /w/${round}`));
  }

  /** The lines of steps that came from the cache, and of those that were carried out. */
  function told({ steps }: BuildResult): { cached: number[]; made: number[] } {
    const lines = (whether: boolean): number[] => steps.flatMap(({ line, cached }) => (cached === whether ? [line] : []));
    return { cached: lines(true), made: lines(false) };
  }

  function requireWhole(): void {
    for (const hex of readdirSync(join(store.root, 'blobs/sha256')))
      expect(digestOf(readFileSync(join(store.root, 'blobs/sha256', hex)))).toBe(`sha256:${hex}`);
  }

  /** @param over the lines of steps that were over */
  async function goesOn(path: string, over: readonly number[]): Promise<void> {
    requireWhole();
    const next = await build({ context: path, pull: 'never' });
    expect(told(next).cached).toEqual(expect.arrayContaining([...over]));
    const again = await build({ context: path, pull: 'never' });
    expect(told(again).made).toEqual([]);
    expect(again.image.digest).toBe(next.image.digest);
    const command = ['-c', 'cat /w/*/a /unpacked/d/b /m-copy | wc -c; ls /one /two'];
    const { stdout } = await Container.run({ image: again.image, entrypoint: ['/bin/sh'], command, reject: true });
    expect(stdout.trim().split(/\s+/)).toEqual(['100002', '/one', '/two']);
  }

  async function nothingLeft(): Promise<void> {
    expect((await reap()).failures).toEqual([]);
    await tidyLeases();
    await BuildCache.prune();
    for (const image of await Image.list()) await (await Image.open(image.digest)).remove();
    await Image.prune();
    expect(readdirSync(join(store.root, 'tmp'))).toEqual([]);
    expect(readdirSync(join(store.root, 'blobs/sha256'))).toEqual([]);
  }

  it(`cancelled at ${cancels} moments (seed ${seed})`, { timeout: 3_600_000 }, async () => {
    const path = await context();
    const random = seededRandom(seed);
    begin(path, 0);
    const from = Date.now();
    await build({ context: path, pull: 'never' });
    const took = Date.now() - from;
    for (let round = 1; round <= cancels; round++) {
      begin(path, round);
      const controller = new AbortController();
      const reason = new RangeError(`round ${round}`);
      const lines = new Map<number, number>();
      const over: number[] = [];
      const building = build({
        context: path,
        pull: 'never',
        cancelSignal: controller.signal,
        onProgress: (event) => {
          if (event.type === 'step') lines.set(event.number, event.line);
          if (event.type === 'done' && event.cached !== null) over.push(lines.get(event.number) ?? 0);
        },
      });
      const ended = building.then(
        () => null,
        (error: unknown) => error,
      );
      // no waiting for anything: the moment is what is chosen
      await delay(random() * took);
      controller.abort(reason);
      // it may have been over by then
      expect([null, reason]).toContain(await ended);
      await goesOn(path, over);
    }
    await nothingLeft();
  });

  it(`its process killed at ${kills} moments (seed ${seed})`, { timeout: 3_600_000 }, async () => {
    const path = await context();
    const random = seededRandom(seed);
    begin(path, 0);
    const first = startNode('build-told', [path]);
    await first.lines.next();
    const from = Date.now();
    expect(await first.ended).toMatchObject({ code: 0, stderr: '' });
    const took = Date.now() - from;
    for (let round = 1; round <= kills; round++) {
      begin(path, round);
      const program = startNode('build-told', [path]);
      await program.lines.next();
      // no waiting for anything: the moment is what is chosen
      await delay(random() * took);
      program.process.kill('SIGKILL');
      const { stdout, stderr } = await program.ended;
      expect(stderr).toBe('');
      await goesOn(path, stdout.trim().split('\n').slice(1).map(Number));
    }
    await nothingLeft();
  });
});
