import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { expect } from 'vitest';
import { build, Container, Image } from '../../lib/index.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { outputOf } from '../fixtures/live.js';
import { requires } from '../fixtures/requires.js';
import { busybox } from '../fixtures/sandbox.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar'] });
const folder = temporaryFolder();

/** How often a child is tried: whether it has exited before its output is read is up to the kernel. */
const TRIES = 5;

/** What a child writes, which exits at once. */
function written(command: string, ...args: string[]): { readonly output: Readable; readonly closed: Promise<unknown> } {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  return { output: child.stdout, closed: once(child, 'close') };
}

/** The files of an image, as a container of it sees them. */
async function filesOf(image: Image | undefined): Promise<string[]> {
  if (!image) return [];
  await using mounted = await image.mount();
  return readdirSync(mounted.path);
}

/** A tar of files. */
function tarOf(name: string, files: Readonly<Record<string, string>>): string {
  for (const [path, content] of Object.entries(files)) writeFileSync(join(folder, path), content);
  const tar = join(folder, name);
  execFileSync('tar', ['-cf', tar, '-C', folder, ...Object.keys(files)]);
  return tar;
}

describe('the output of a child process that has exited already', () => {
  useNewStore(folder);

  it('is a program’s input, whole', async () => {
    const base = await busybox();
    for (let n = 0; n < TRIES; n++) {
      const input = written('echo', `word ${n}`).output;
      expect(await Container.run({ ...base, command: ['cat'], input })).toMatchObject({ stdout: `word ${n}\n` });
      const stdin = written('echo', `more ${n}`).output;
      expect(await Container.run({ ...base, command: ['cat'], stdin })).toMatchObject({ stdout: `more ${n}\n` });
    }
  });

  it('is typed at a program’s terminal', async () => {
    const base = await busybox();
    for (let n = 0; n < TRIES; n++) {
      const input = written('printf', 'word\\n\\004').output;
      const { stdout } = await Container.run({ ...base, command: ['sh', '-c', 'read a; echo "it is $a"'], tty: true, input });
      expect(stdout).toContain('it is word');
    }
  });

  it('is unpacked in a container', async () => {
    const tar = tarOf('files.tar', { file: 'text' });
    await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'], init: true });
    await container.start();
    for (let n = 0; n < TRIES; n++) {
      await container.copyTo('/tmp', written('cat', tar).output);
      expect(await outputOf(container, 'cat /tmp/file; rm /tmp/file')).toBe('text');
    }
  });

  it('is loaded as an image', async () => {
    const tar = tarOf('root.tar', { other: 'text' });
    for (let n = 0; n < TRIES; n++) {
      const [image] = await Image.load(written('cat', tar).output, { reference: 'test/of-child:1' });
      expect(await filesOf(image)).toEqual(['other']);
    }
  });

  it('is the context of a build', async () => {
    const tar = tarOf('context.tar', { Dockerfile: 'FROM scratch\nCOPY data /\n', data: 'text' });
    for (let n = 0; n < TRIES; n++) {
      const { image } = await build({ context: written('cat', tar).output, pull: 'never', cache: false });
      expect(await filesOf(image)).toEqual(['data']);
    }
  });

  it('ends when nobody reads it, as the options are wrong or the program can’t be started', async () => {
    const base = await busybox();
    const { output, closed } = written('echo', 'lost');
    const run = Container.run({ ...base, command: ['/none'], stdin: output });
    await expect(run).rejects.toMatchObject({ code: 'ENOENT' });
    await closed;
    const other = written('echo', 'lost');
    await expect(build({ context: other.output, tags: ['not a name'] })).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    await other.closed;
  });
});
