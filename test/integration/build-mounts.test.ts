import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect } from 'vitest';
import { BuildCache, type BuildResult } from '../../lib/index.js';
import { BASE, told, useBuilds } from '../fixtures/builds.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { startNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip'] });

describe('RUN --mount', () => {
  const { folder, store, context, base, built, on, names } = useBuilds();

  describe('type=bind', () => {
    it('shows files of the context, root’s and without those that are ignored, and leaves no mount point', async () => {
      const path = context({ 'in/a': 'A', 'in/.b': 'B', 'in/secret': 'S', '.dockerignore': 'in/secret', one: 'file' });
      chmodSync(join(path, 'in/a'), 0o640);
      chmodSync(join(path, 'in'), 0o750);
      const text = [
        'RUN --mount=source=in,target=/some/where --mount=source=one,target=/usr/new/file,ro cd /some/where && ls -A && cat a ../../usr/new/file && stat -c "%a %u:%g %n" a . && ! touch x',
      ];
      const { image, output } = await on(text, { context: path });
      expect(output).toContain('.b\na\nAfile640 0:0 a\n750 0:0 .\n');
      expect(output).toContain('Read-only file system');
      // nothing was changed, so the layer is empty
      expect(await names(image)).toEqual([]);
    });

    it('keeps what is written beside mount points, and throws away what is written to them', async () => {
      const path = context({ 'in/a': 'A' });
      const text = [
        'RUN --mount=source=in,target=/x/y/in,rw --mount=source=in/a,target=/x/z/a,rw echo B > /x/y/in/a && echo C > /x/y/in/c && echo D > /x/kept && echo E > /x/z/a',
        'RUN --mount=source=in,target=/in cat /in/a && ls /in /x',
      ];
      const { image, output } = await on(text, { context: path });
      expect(output).toBe('A/in:\na\n\n/x:\nkept\n');
      expect(await names(image)).toEqual([]);
    });

    it('shows the files of a stage and of an image, with their owners, also to be written to', async () => {
      const text = [
        `FROM ${BASE} AS made`,
        'RUN mkdir -p /out/deep && echo made > /out/deep/file && chown 5:6 /out/deep/file && ln -s deep /out/link && ln -s /out/deep /way',
        `FROM ${BASE}`,
        'RUN --mount=from=made,source=/out,target=/m --mount=from=0,source=way,target=/n,rw cat /m/link/file && stat -c %u:%g /n/file && echo x >> /n/file && cat /n/file && ! echo x > /m/y',
        `RUN --mount=from=${BASE},target=/all --mount=from=made,source=out/deep/file,target=/one ls /all/bin/busybox && cat /one`,
        'RUN --mount=from=scratch,target=/none ls -A /none | wc -l',
      ];
      const { image, output } = await built(text);
      expect(output.replace(/^.*Read-only file system\n/m, '')).toBe('made\n5:6\nmade\nx\n/all/bin/busybox\nmade\n0\n');
      expect(await names(image)).toEqual([]);
    });

    it('counts in the cache by what it shows, and not by times or other files', async () => {
      const lines = (source: string): string[] => [
        `RUN --mount=source=${source},target=/m cat /m/a`,
        'ARG X',
        `RUN --mount=from=${BASE},source=/etc,target=/m true`,
      ];
      const path = context({ 'in/a': 'A', other: '1' });
      expect(told(await on(lines('in'), { context: path }))).toBe('r-r');
      writeFileSync(join(path, 'other'), '2');
      execFileSync('touch', ['-d', '@1000000000', join(path, 'in/a')]);
      expect(told(await on(lines('in'), { context: path }))).toBe('c-c');
      writeFileSync(join(path, 'in/a'), 'B');
      const again = await on(lines('in'), { context: path });
      expect([told(again), again.output]).toEqual(['r-c', 'B']);
      chmodSync(join(path, 'in'), 0o700);
      expect(told(await on(lines('in'), { context: path }))).toBe('r-c');
    });

    it('takes names that look like patterns as names, variables, and targets below WORKDIR', async () => {
      const path = context({ 'a[1]*/x': '1', 'a1/x': '2', 'b\\*?/x': '3', 'b\\/x': '4' });
      const mounts = '--mount=source=$NAME,target=in --mount=source=$B,target=b --mount=source=$C,target=c';
      const text = ['ARG NAME=a[1]*', 'ARG B', 'ARG C', 'WORKDIR /w', `RUN ${mounts} cat /w/in/x /w/b/x /w/c/x`];
      expect((await on(text, { context: path, buildArgs: { B: 'b\\*?', C: 'b\\' } })).output).toBe('134');
    });
  });

  it('type=tmpfs: a file system of its own with a size, of which nothing is kept', async () => {
    const text = [
      'RUN --mount=type=tmpfs,target=/t/mp,size=64k cd /t/mp && echo x > y && ! head -c 100000 /dev/zero > big && grep -c " /t/mp tmpfs " /proc/mounts',
    ];
    const { image, output } = await on(text);
    expect(output).toContain('head: ');
    expect(output).toMatch(/^1$/m);
    expect(await names(image)).toEqual([]);
  });

  it.each([
    ['type=bind,target=/', 'invalid mount target "/"'],
    ['type=tmpfs,target=/a/../..', 'invalid mount target "/a/../.."'],
    ['type=tmpfs,target=/proc/x', 'invalid mount target "/proc/x"'],
    ['type=tmpfs,target=/dev', 'invalid mount target "/dev"'],
    ['type=tmpfs,target=/x --mount=type=tmpfs,target=/y/../x', 'two mounts have the target /x'],
    ['source=none,target=/x', '"/none": not found'],
    ['source=hidden,target=/x', 'the ignore file leaves it out'],
    ['from=test/none,target=/x', 'is not in the store'],
    ['from=dir:/etc,target=/x', "can't name files of this machine"],
    ['source=../../etc,target=/x', '"/../../etc": not found'],
    ['source=link,target=/x', 'not found'],
  ])('refuses %s', async (mount, message) => {
    const path = context({ hidden: '', '.dockerignore': 'hidden' });
    execFileSync('ln', ['-s', '/etc/passwd', join(path, 'link')]);
    const failing = on([`RUN --mount=${mount} true`], { context: path });
    await expect(failing).rejects.toMatchObject({ name: 'BuildError', line: 2, message: expect.stringContaining(message) });
  });

  it('a link in the stage leads to a place in the stage, and none to a place of this machine', async () => {
    const path = context({ in: 'from outside' });
    const victim = join(folder, 'victim');
    mkdirSync(victim);
    const text = [
      `RUN mkdir -p ${victim} && ln -s /etc /run/secrets && ln -s ../../../../../..${victim} /deep && ln -s /gone /lost`,
      `RUN --mount=source=in,target=/run/secrets/in --mount=source=in,target=/deep/in cat /etc/in && cat ${victim}/in`,
    ];
    const { image, output } = await on(text, { context: path });
    expect(output).toBe('from outsidefrom outside');
    expect(await names(image)).toEqual([]);
    expect(readdirSync(victim)).toEqual([]);
    const lost = on([...text, 'RUN --mount=source=in,target=/lost/in true'], { context: path });
    await expect(lost).rejects.toMatchObject({ cause: { code: 'ENOTDIR' } });
  });

  describe('type=cache', () => {
    function isThere(name: string): boolean {
      const all = join(store.root, 'cache-mounts');
      return readdirSync(all).some((one) => existsSync(join(all, one, 'data', name)));
    }

    /** The folder of the cache that has a file. */
    function dataWith(name: string): string {
      const all = join(store.root, 'cache-mounts');
      const found = readdirSync(all)
        .map((one) => join(all, one, 'data'))
        .find((data) => existsSync(join(data, name)));
      if (found === undefined) throw new Error(`no cache has ${name}`);
      return found;
    }

    it('keeps its files from build to build, for its id and namespace alone, and has none of them in a layer', async () => {
      const line = (mount: string, n: number): string =>
        `RUN --mount=type=cache,${mount} echo ${n} >> /c/log && cat /c/log && stat -c %a:%u:%g /c`;
      expect((await on([line('target=/c', 1)])).output).toBe('1\n755:0:0\n');
      const { image, output } = await on([
        line('target=/c', 2),
        line('target=/c/,id=/c', 3),
        line('target=/c,id=../../x,mode=1777,uid=7,gid=8', 4),
      ]);
      expect(output).toBe('1\n2\n755:0:0\n1\n2\n3\n755:0:0\n4\n1777:7:8\n');
      expect(await names(image)).toEqual([]);
      expect((await on([line('target=/c', 5)], { cacheNamespace: 'other' })).output).toBe('5\n755:0:0\n');
      expect((await on(['RUN --mount=type=cache,target=/c,ro cat /c/log && ! touch /c/x'])).output).toContain('1\n2\n3\n');
      const listed = (await BuildCache.list()).filter((info) => info.type === 'mount');
      expect(listed.map(({ id, namespace }) => `${namespace} ${id}`).toSorted()).toEqual(['default ../../x', 'default /c', 'other /c']);
      const { mounts, keys } = await BuildCache.prune({ type: 'mount' });
      expect([mounts.toSorted(), keys]).toEqual([['../../x', '/c', '/c'], []]);
      expect((await BuildCache.list()).map(({ type }) => type)).not.toContain('mount');
      expect((await on([line('target=/c', 6)])).output).toBe('6\n755:0:0\n');
    });

    it('is another one for each owner, also in one RUN', async () => {
      const line = (owner: string, word: string): string =>
        `RUN --mount=type=cache,id=o,target=/c${owner} echo ${word} >> /c/log && cat /c/log`;
      const lines = [line('', 'root'), line(',uid=7', 'user'), line(',gid=7', 'group'), line(',uid=7', 'again')];
      expect((await on(lines)).output).toBe('root\nuser\ngroup\nuser\nagain\n');
      const both = 'RUN --mount=type=cache,id=o,target=/c --mount=type=cache,id=o,target=/d,uid=7 cat /c/log /d/log';
      expect((await on([both])).output).toBe('root\nuser\nagain\n');
      const listed = (await BuildCache.list()).flatMap((info) => (info.type === 'mount' && info.id === 'o' ? [[info.uid, info.gid]] : []));
      expect(listed.toSorted()).toEqual([
        [0, 0],
        [0, 7],
        [7, 0],
      ]);
      const tar = await buffer(await BuildCache.exportMount('o', { uid: 7 }));
      expect(execFileSync('tar', ['-xO', 'log'], { input: tar, encoding: 'utf8' })).toBe('user\nagain\n');
      await BuildCache.importMount('o', Readable.from([tar]), { gid: 7 });
      expect((await on([line(',gid=7', 'imported')])).output).toBe('user\nagain\nimported\n');
    });

    it('begins with the files of a stage, once', async () => {
      const text = [
        `FROM ${BASE} AS seed`,
        'RUN mkdir -p /s/d && echo seed > /s/d/file && chown -R 9:9 /s && chmod 700 /s',
        `FROM ${BASE}`,
        'RUN --mount=type=cache,id=seeded,target=/c,from=seed,source=/s cat /c/d/file && stat -c %a:%u /c && rm -r /c/d',
        'RUN --mount=type=cache,id=seeded,target=/c,from=seed,source=/s ls -A /c | wc -l',
      ];
      expect((await built(text)).output).toBe('seed\n700:9\n0\n');
      const none = built([...text.slice(0, 3), 'RUN --mount=type=cache,target=/c,from=seed,source=/none true']);
      await expect(none).rejects.toThrow('"/none" is no folder in seed');
    });

    it('of one project makes no step of another one', async () => {
      const step = (words: string, line: string): string[] => [
        `FROM ${BASE} AS bad`,
        'RUN mkdir /s && echo bad > /s/tool',
        `FROM ${BASE}`,
        `RUN --mount=type=cache,id=npm,target=/c${words} ${line}`,
      ];
      const line = 'cat /c/tool > /tool; echo ran';
      expect((await built(step(',from=bad,source=/s', line), { cacheNamespace: 'evil' })).output).toBe('ran\n');
      const other = await built(step('', line), { cacheNamespace: 'shop' });
      expect(other.output).toContain('ran\n');
      expect(other.steps.at(-1)?.cached).toBe(false);
      // nor of the same project where it begins otherwise
      expect((await built(step('', line), { cacheNamespace: 'evil' })).steps.at(-1)?.cached).toBe(false);
      expect((await built(step('', line), { cacheNamespace: 'evil' })).steps.at(-1)?.cached).toBe(true);
    });

    it('locked waits for others and private does not, and two mounts of one id show one folder', async () => {
      const hold = 'touch /c/first /c/busy && ls /d && echo go && until [ -e /d/stop ]; do sleep 0.05; done; rm /c/busy';
      let locked: Promise<BuildResult> | undefined;
      const began = new Promise<void>((done) => {
        locked = on([`RUN --mount=type=cache,id=l,target=/c,sharing=locked --mount=type=cache,id=l,target=/d ${hold}`], {
          onProgress: ({ type }) => type === 'output' && done(),
        });
      });
      await Promise.race([began, locked]);
      const apart = await on(['RUN --mount=type=cache,id=l,target=/c,sharing=private ls -A /c | wc -l']);
      expect(apart.output).toBe('0\n');
      // what is used is not removed
      expect((await BuildCache.prune({ type: 'mount' })).mounts).toEqual(['l']);
      // a whole RUN, in which another one that does not wait would have been over
      const aWhile = (): Promise<unknown> => on(['RUN true'], { cache: false });
      for (const sharing of ['shared', 'locked']) {
        const waiting = new AbortController();
        const said: unknown[] = [];
        const other = on([`RUN --mount=type=cache,id=l,target=/c,sharing=${sharing} ls /c`], {
          cancelSignal: waiting.signal,
          onProgress: (event) => event.type === 'output' && said.push(event),
        });
        await aWhile();
        waiting.abort(new Error('enough'));
        await expect(other).rejects.toThrow('enough');
        expect(said).toEqual([]);
      }
      const next = on(['RUN --mount=type=cache,id=l,target=/c,sharing=locked test ! -e /c/busy && ls /c']);
      await aWhile();
      writeFileSync(join(dataWith('first'), 'stop'), '');
      expect((await next).output).toBe('first\nstop\n');
      await locked;
    });

    it('has its files, and is free, when the process of a build was killed', async () => {
      await base();
      const text = [`FROM ${BASE}`, 'RUN --mount=type=cache,id=k,target=/c,sharing=locked echo kept > /c/kept && sleep 1000'].join('\n');
      const program = startNode('build', [context(), text]);
      await until('the program has written', () => existsSync(join(store.root, 'cache-mounts')) && isThere('kept'));
      program.process.kill('SIGKILL');
      await program.ended;
      expect((await on(['RUN --mount=type=cache,id=k,target=/c,sharing=locked cat /c/kept'])).output).toBe('kept\n');
    });

    it('is exported, and imported in the place of another', async () => {
      await on(['RUN --mount=type=cache,id=e,target=/c mkdir -m 711 /c/d && echo one > /c/d/file && chown 3:4 /c/d/file && chmod 750 /c']);
      const tar = await buffer(await BuildCache.exportMount('e'));
      const listed = execFileSync('tar', ['-tv', '--numeric-owner'], { input: tar, encoding: 'utf8' });
      expect(
        listed
          .replace(/ +\d+ [-\d]+ [:\d]+ /g, ' ')
          .trim()
          .split('\n'),
      ).toEqual(['drwxr-x--- 0/0 ./', 'drwx--x--x 0/0 d/', '-rw-r--r-- 3/4 d/file']);
      const see = 'RUN --mount=type=cache,id=e,target=/c stat -c "%n %a %u:%g" /c /c/* /c/d/* && cat /c/d/file';
      await BuildCache.importMount('e', Readable.from([tar]), { namespace: 'n' });
      await on(['RUN --mount=type=cache,id=e,target=/c rm -r /c/d && echo two > /c/two']);
      await BuildCache.importMount('e', Readable.from([tar]));
      for (const options of [{}, { cacheNamespace: 'n' }])
        expect((await on([see], { ...options, cache: false })).output).toBe('/c 750 0:0\n/c/d 711 0:0\n/c/d/file 644 3:4\none\n');
      await expect(BuildCache.importMount('e', Readable.from([tar.subarray(0, 700)]))).rejects.toMatchObject({ code: 'ERR_ARCHIVE' });
      expect((await on([see], { cache: false })).output).toContain('one\n');
      await expect(BuildCache.exportMount('e', { namespace: 'none' })).rejects.toMatchObject({ code: 'ERR_NO_CACHE_MOUNT' });
      const stream = await BuildCache.exportMount('e');
      await expect(BuildCache.importMount('e', Readable.from([tar]))).rejects.toMatchObject({ code: 'ERR_IN_USE' });
      stream.destroy();
    });
  });
});
