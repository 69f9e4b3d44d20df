import { readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { addLayer } from '../../lib/build/execute/add-layer.js';
import { EMPTY_TREE } from '../../lib/build/files/file-tree.js';
import { type BuildEvent, type BuildOptions, type BuildResult, build, Container, Image } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';
/** Never the same twice. */
const RANDOM = 'head -c 16 /dev/urandom | hexdump';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip'] });

describe('stages of a build', () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);

  async function made(lines: readonly string[], options: BuildOptions = {}): Promise<BuildResult> {
    await (await loadBusybox()).tag(BASE);
    const context = buildContext(folder, { a: 'a' });
    return build({ context, dockerfile: { content: lines.join('\n') }, pull: 'never', ...options });
  }

  async function shell({ image }: BuildResult, line: string): Promise<string> {
    const { stdout } = await Container.run({ image, entrypoint: ['/bin/sh'], command: ['-c', line], reject: true });
    return stdout.trim();
  }

  const ENDLESS = 'RUN echo begun; while :; do sleep 1000; done';

  it('are built side by side: programs of two run at once', async () => {
    const controller = new AbortController();
    const begun = new Set<number>();
    const onProgress = (event: BuildEvent): void => {
      if (event.type === 'output') begun.add(event.number);
      // neither of them ends, so that both are running
      if (begun.size === 2) controller.abort(new Error('both'));
    };
    const lines = [`FROM ${BASE} AS a`, ENDLESS, `FROM ${BASE} AS b`, `ENV B=1\n${ENDLESS}`, 'FROM scratch'];
    const text = [...lines, 'COPY --from=a /x /', 'COPY --from=b /x /'];
    await expect(made(text, { onProgress, cancelSignal: controller.signal })).rejects.toThrow('both');
    expect(await Container.list()).toEqual([]);
  });

  it('a stage waits at the instruction that takes files of another, and not before', async () => {
    const controller = new AbortController();
    const running = new Set<string>();
    const onProgress = (event: BuildEvent): void => {
      if (event.type === 'output') running.add(event.text.trim());
      if (running.has('begun') && running.has('before')) controller.abort(new Error('both'));
      if (event.type === 'step' && event.instruction.startsWith('COPY')) controller.abort(new Error('too early'));
    };
    const text = [`FROM ${BASE} AS a`, ENDLESS, `FROM ${BASE}`, 'RUN echo before', 'COPY --from=a /x /'];
    await expect(made(text, { onProgress, cancelSignal: controller.signal })).rejects.toThrow('both');
  });

  it('the first failure ends what the others carry out, and is what is told', async () => {
    const text = [
      `FROM ${BASE} AS a`,
      ENDLESS,
      `FROM ${BASE} AS b`,
      'RUN exit 3',
      'FROM scratch',
      'COPY --from=a /x /',
      'COPY --from=b /x /',
    ];
    await expect(made(text)).rejects.toMatchObject({ name: 'BuildError', line: 4, result: { exitCode: 3 } });
    expect(await Container.list()).toEqual([]);
  });

  it('a listener that throws ends all of them', async () => {
    const onProgress = ({ type }: BuildEvent): void => {
      if (type === 'output') throw new RangeError('of the listener');
    };
    const text = [
      `FROM ${BASE} AS a`,
      ENDLESS,
      `FROM ${BASE} AS b`,
      `ENV B=1\n${ENDLESS}`,
      'FROM scratch',
      'COPY --from=a /x /',
      'COPY --from=b /x /',
    ];
    await expect(made(text, { onProgress })).rejects.toThrow('of the listener');
    expect(await Container.list()).toEqual([]);
  });

  it('give the same image and the same order of steps, whichever is faster', async () => {
    const stage = (name: string, slow: string): string[] => [
      `FROM ${BASE} AS ${name}`,
      `ENV N=${name}`,
      // the slow one is over when the other is
      `RUN --mount=type=cache,id=before-${slow},target=/m ${name === slow ? 'until [ -e /m/over ]; do sleep 0.01; done' : 'touch /m/over'}; echo ${name} > /${name}`,
    ];
    const text = (slow: string): string[] => [
      ...stage('a', slow),
      ...stage('b', slow),
      'FROM a AS c\nRUN echo c > /c',
      `FROM ${BASE}`,
      'COPY --from=a /a /\nCOPY --from=b /b /\nCOPY --from=c /c /\nCOPY --from=c /a /d',
    ];
    const results = [await made(text('a'), { sourceDateEpoch: 1_600_000_000 }), await made(text('b'), { sourceDateEpoch: 1_600_000_000 })];
    const [one, two] = results;
    expect(one?.image.digest).toBe(two?.image.digest);
    for (const { steps } of results) {
      expect(steps.map((step) => step.stage)).toEqual(['a', 'a', 'b', 'b', 'c', '3', '3', '3', '3']);
      expect(steps.map(({ line }) => line)).toEqual([2, 3, 5, 6, 8, 10, 11, 12, 13]);
    }
    if (one) expect(await shell(one, 'cat /a /b /c /d')).toBe('a\nb\nc\na');
  });

  it('numbers each step once, and its output and end have that number', async () => {
    const events: BuildEvent[] = [];
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const text = names.flatMap((name) => [`FROM ${BASE} AS ${name}`, `RUN echo ${name} | tee /${name}`]);
    const copies = names.map((name) => `COPY --from=${name} /${name} /`);
    const result = await made([...text, 'FROM scratch', ...copies], { onProgress: (event) => events.push(event) });
    const steps = events.flatMap((event) => (event.type === 'step' ? [event] : []));
    expect(steps.map(({ number }) => number)).toEqual(Array.from({ length: 12 }, (_, index) => index + 1));
    expect(steps.map((step) => step.of)).toEqual(Array.from({ length: 12 }, () => 12));
    for (const { number, stage, instruction } of steps.filter((step) => step.instruction.startsWith('RUN'))) {
      const output = events.flatMap((event) => (event.type === 'output' && event.number === number ? [event.text] : []));
      expect([output.join(''), instruction]).toEqual([`${stage}\n`, `RUN echo ${stage} | tee /${stage}`]);
    }
    let running = 0;
    for (const { type } of events) {
      running += type === 'step' ? 1 : type === 'done' ? -1 : 0;
      expect(running).toBeLessThanOrEqual(Math.max(2, availableParallelism()));
    }
    expect(running).toBe(0);
    expect(result.image.layers).toHaveLength(6);
  });

  it.each([true, false])('carry a step out once that several have, with cache: %s', async (cache) => {
    const stage = (name: string): string[] => [`FROM ${BASE} AS ${name}`, `RUN ${RANDOM} > /made`];
    const text = [...stage('a'), ...stage('b'), `FROM ${BASE}`, 'COPY --from=a /made /a', 'COPY --from=b /made /b'];
    const result = await made(text, { cache });
    expect(await shell(result, 'cmp /a /b && echo same')).toBe('same');
    expect(
      result.steps
        .slice(0, 2)
        .map(({ cached }) => cached)
        .toSorted(),
    ).toEqual([false, true]);
  });

  it('what ONBUILD of a base takes files from may come later in the order', async () => {
    const on = await made([`FROM ${BASE}`, 'ONBUILD COPY --from=late /late /']);
    await on.image.tag('test/on:1');
    const text = [`FROM ${BASE} AS late`, `RUN ${RANDOM} > /late`, 'FROM test/on:1 AS on', `FROM ${BASE}`];
    const result = await made([...text, 'COPY --from=on /late /a', 'COPY --from=late /late /b']);
    expect(await shell(result, 'cmp /a /b && echo same')).toBe('same');
  });

  it('a chain of stages, each on the one before', async () => {
    const count = 12;
    const text = Array.from({ length: count }, (_, index) => [
      `FROM ${index === 0 ? BASE : `s${index - 1}`} AS s${index}`,
      `RUN echo ${index} >> /n`,
    ]);
    const result = await made(text.flat());
    expect((await shell(result, 'cat /n')).split('\n')).toEqual(Array.from({ length: count }, (_, index) => `${index}`));
  });

  it('two thousand stages, each on the one before', async () => {
    const text = Array.from({ length: 2000 }, (_, index) => `FROM ${index === 0 ? 'scratch' : `s${index - 1}`} AS s${index}`);
    const result = await made([...text, 'COPY a /']);
    expect(result.image.layers).toHaveLength(1);
  });

  it('an abort while a COPY is packed ends that with the reason, and leaves nothing in the store', async () => {
    await made(['FROM scratch', 'COPY a /']);
    const files = (): string[] => readdirSync(store.root, { recursive: true, encoding: 'utf8' }).toSorted();
    const before = files();
    const path = join(folder, 'large');
    writeFileSync(path, '');
    const size = 2 ** 38;
    truncateSync(path, size);
    const controller = new AbortController();
    // to read all of it would take hours
    const tree = {
      ...EMPTY_TREE,
      open: async () => {
        controller.abort(new Error('enough'));
        return open(path);
      },
    };
    const file = { path: 'f', type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: 0, size, target: '', bytes: { tree, path: 'f' } } as const;
    await expect(addLayer([file], { latest: null, signal: controller.signal })).rejects.toThrow('enough');
    expect(files()).toEqual(before);
  });

  it('two with a base that has to be there find the same image', async () => {
    const result = await made([`FROM ${BASE} AS a`, `FROM ${BASE}`, 'COPY --from=a /bin/busybox /b']);
    expect((await Image.list()).map(({ reference }) => reference)).toContain(`docker.io/${BASE}`);
    expect(result.steps).toHaveLength(1);
  });
});
