import { expect } from 'vitest';
import { type Build, type BuildEvent, type BuildOptions, build, Container } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip'] });

describe('the events of a build', () => {
  const folder = temporaryFolder();
  useNewStore(folder);

  const begun = (lines: readonly string[], options: BuildOptions = {}): Build =>
    build({ context: buildContext(folder, {}), dockerfile: { content: lines.join('\n') }, pull: 'never', ...options });

  async function base(): Promise<void> {
    await (await loadBusybox()).tag(BASE);
  }

  it('come in a loop as they come to a listener, then the result', async () => {
    await base();
    const heard: BuildEvent[] = [];
    const lines = [`FROM ${BASE} AS a`, 'RUN echo a', `FROM a AS b`, 'ENV B=1'];
    const building = begun(lines, { onProgress: (event) => heard.push(event) });
    const read: BuildEvent[] = [];
    for await (const event of building) read.push(event);
    expect(read).toEqual(heard);
    const short = read.map((event) => ('stage' in event ? `${event.type} ${event.stage}` : event.type));
    expect(short).toEqual(['stage a', 'step a', 'output', 'done', 'stage a', 'stage b', 'step b', 'done', 'stage b']);
    const platform = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;
    expect(read[0]).toEqual({ type: 'stage', stage: 'a', base: BASE, line: 1, platform, status: 'started' });
    expect(read.at(-1)).toEqual({ type: 'stage', stage: 'b', base: 'a', line: 3, platform, status: 'done' });
    expect((await building).steps).toHaveLength(2);
  });

  it.each<[string, readonly string[], BuildOptions, string]>([
    ['a step', [`FROM ${BASE}`, 'RUN echo last; exit 3'], {}, 'RUN has failed'],
    ['the Dockerfile', ['FROM'], {}, 'FROM'],
    ['the options', [`FROM ${BASE}`], { target: 'none' }, 'target'],
  ])('a loop throws what is wrong with %s, after what came before, and nobody else has to listen', async (_, lines, options, message) => {
    await base();
    // a rejection that nobody handles fails the run of tests
    const read: BuildEvent[] = [];
    const reading = (async () => {
      for await (const event of begun(lines, options)) read.push(event);
    })();
    await expect(reading).rejects.toThrow(message);
    if (options.target === undefined && lines.length > 1) expect(read.at(-1)).toMatchObject({ type: 'output', text: 'last\n' });
  });

  it('a loop that breaks off leaves the build going on', async () => {
    await base();
    const building = begun([`FROM ${BASE}`, 'RUN i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo $i; done; echo made > /made']);
    for await (const { type } of building) if (type === 'output') break;
    const { image } = await building;
    const { stdout } = await Container.run({ image, entrypoint: ['/bin/cat'], command: ['/made'], reject: true });
    expect(stdout).toBe('made\n');
  });

  it('a slow loop gets all that a program says, which waits meanwhile', async () => {
    await base();
    let bytes = 0;
    let [told, read] = [0, 0];
    const onProgress = (): void => {
      told++;
      // 64 that wait, the one that waits for room, and the one that the loop has at the moment
      if (told - read > 66) ahead = told - read;
    };
    let ahead = 0;
    for await (const event of begun([`FROM ${BASE}`, 'RUN head -c 20000000 /dev/zero | tr "\\0" x'], { onProgress })) {
      read++;
      // a turn of others after each event, so that the program would be far ahead
      if (event.type !== 'output') continue;
      bytes += event.text.length;
      await new Promise(setImmediate);
    }
    expect(bytes).toBe(20_000_000);
    expect(ahead).toBe(0);
  });

  it('an abort ends the build, though the loop reads no more', async () => {
    await base();
    const controller = new AbortController();
    const building = begun([`FROM ${BASE}`, 'RUN yes'], { cancelSignal: controller.signal });
    const events = building[Symbol.asyncIterator]();
    let event = await events.next();
    while (!event.done && event.value.type !== 'output') event = await events.next();
    controller.abort(new Error('enough'));
    await expect(building).rejects.toThrow('enough');
    expect(await Container.list()).toEqual([]);
    await events.return?.();
  });
});
