import { expect } from 'vitest';
import { BuildCache, BuildError, type BuildOptions, build, Container, Image } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip'] });

describe('debug() of a BuildError', () => {
  const folder = temporaryFolder();
  useNewStore(folder);

  async function failure(lines: readonly string[], options: BuildOptions = {}): Promise<BuildError> {
    await (await loadBusybox()).tag(BASE);
    const built = build({ context: buildContext(folder, {}), dockerfile: { content: lines.join('\n') }, pull: 'never', ...options });
    const error: unknown = await built.catch((reason: unknown) => reason);
    if (error instanceof BuildError) return error;
    throw new Error('the build has not failed as it should', { cause: error });
  }

  async function told(container: Container, line: string): Promise<string> {
    const { stdout } = await container.exec(['/bin/sh', '-c', line], { reject: true });
    return stdout.trim();
  }

  const PROXY = { HTTP_PROXY: 'http://user:secret@proxy.example' };

  it('has the files, variables, user and folder from before a RUN', async () => {
    const lines = [`FROM ${BASE}`, 'ARG A=1', 'ENV B=2', 'USER 7', 'WORKDIR /w', 'RUN echo before > file', 'RUN echo after > file; exit 3'];
    const error = await failure(lines, { buildArgs: PROXY });
    const container = await error.debug();
    try {
      expect(await told(container, 'echo $A $B $HTTP_PROXY; id -u; pwd; cat file; hostname')).toBe('1 2\n7\n/w\nbefore\nbuildkitsandbox');
      // the shell ends with what it reads
      container.stdin?.end('echo from the shell\n');
      expect(await container.wait()).toMatchObject({ exitCode: 0, stdout: 'from the shell\n' });
    } finally {
      await container.remove({ force: true });
    }
    // a second one has nothing of the first
    const again = await error.debug();
    expect(await told(again, 'cat file')).toBe('before');
    await again.remove({ force: true });
  });

  it('has what was there before a COPY and a WORKDIR', async () => {
    for (const last of ['COPY none /', 'WORKDIR /file']) {
      const container = await (await failure([`FROM ${BASE}`, 'RUN echo before > /file', last])).debug();
      expect(await told(container, 'cat /file; pwd')).toBe('before\n/');
      await container.remove({ force: true });
    }
  });

  it('is refused where no step has failed, where there are no files, and where there is no shell', async () => {
    await expect((await failure(['FROM test/none'])).debug()).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect((await failure([`FROM ${BASE}`, 'RUNN'])).debug()).rejects.toMatchObject({ code: 'ERR_STATE' });
    await expect((await failure(['FROM scratch', 'COPY none /'])).debug()).rejects.toMatchObject({ code: 'ERR_STATE' });
    const error = await failure(['FROM scratch', 'COPY <<E /file', 'E', 'COPY none /']);
    await expect(error.debug()).rejects.toMatchObject({ code: 'ENOENT', message: expect.stringContaining('/bin/sh') });
    expect(await Container.list()).toEqual([]);
  });

  it('is refused when the layers were pruned', async () => {
    const error = await failure([`FROM ${BASE}`, 'RUN echo before > /file', 'RUN false']);
    await BuildCache.prune();
    await Image.prune();
    await expect(error.debug()).rejects.toMatchObject({ name: 'ImageError' });
    expect(await Container.list()).toEqual([]);
  });
});
