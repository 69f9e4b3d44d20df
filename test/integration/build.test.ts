import { execFileSync } from 'node:child_process';
import { chmodSync, linkSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { expect } from 'vitest';
import { type BuildEvent, type BuildOptions, build, Container, Image } from '../../lib/index.js';
import { BASE, dockerfile, shell, useBuilds } from '../fixtures/builds.js';
import { layerListing } from '../fixtures/layer-listing.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip'] });

describe('build', () => {
  const { folder, context, base } = useBuilds();

  const listed = (image: Image, index: number): Promise<string[]> => layerListing(image, index, folder);

  it('FROM scratch and COPY: the files of the context, as root, with their modes and times', async () => {
    const path = context({ 'a.txt': 'a', 'd/run.sh': '#!/bin/sh\n', 'd/deep/b': 'b' });
    chmodSync(join(path, 'd/run.sh'), 0o755);
    symlinkSync('b', join(path, 'd/deep/link'));
    execFileSync('touch', [
      '-hd',
      '@1000000000',
      ...['a.txt', 'd', 'd/run.sh', 'd/deep', 'd/deep/b', 'd/deep/link'].map((name) => join(path, name)),
    ]);
    chmodSync(join(path, 'a.txt'), 0o640);
    const { image } = await build({
      context: path,
      ...dockerfile('FROM scratch\nCOPY a.txt d /x/\nCMD ["/x/run.sh"]'),
      sourceDateEpoch: 1_500_000_000,
      tags: ['test/scratch'],
    });
    expect(image.reference).toBe('docker.io/test/scratch:latest');
    expect(image.config).toMatchObject({ cmd: ['/x/run.sh'], workingDir: '/', env: { PATH: expect.stringContaining('/bin') } });
    expect(await listed(image, 0)).toEqual([
      'drwxr-xr-x 0/0               0 2017-07-14 02:40:00 x/',
      '-rw-r----- 0/0               1 2001-09-09 01:46:40 x/a.txt',
      'drwxr-xr-x 0/0               0 2001-09-09 01:46:40 x/deep/',
      '-rw-r--r-- 0/0               1 2001-09-09 01:46:40 x/deep/b',
      'lrwxrwxrwx 0/0               0 2001-09-09 01:46:40 x/deep/link -> b',
      '-rwxr-xr-x 0/0              10 2001-09-09 01:46:40 x/run.sh',
    ]);
  });

  it('an image that runs: RUN, ENV, ARG, WORKDIR, USER and the rest', async () => {
    await base();
    const path = context({ 'app/main.sh': 'echo "$GREETING from $(pwd) as $(id -u)"; cat made\n' });
    const text = [
      `ARG TAG=1`,
      `FROM test/busybox:$TAG AS base`,
      'ARG NAME=world',
      'ENV GREETING="hello $NAME" OTHER=1',
      'WORKDIR /app',
      'COPY app .',
      'RUN echo "made for $NAME in $PWD" > made && echo told && echo aside >&2',
      'LABEL a=$OTHER "b c"=d',
      'EXPOSE 80 8000-8001/udp',
      'VOLUME /data',
      'STOPSIGNAL SIGINT',
      'HEALTHCHECK --interval=5s --retries=2 CMD true',
      'SHELL ["/bin/sh", "-e", "-c"]',
      'USER 1000:1000',
      'ENTRYPOINT sh /app/main.sh',
    ].join('\n');
    const events: BuildEvent[] = [];
    const { image, warnings } = await build({
      context: path,
      ...dockerfile(text),
      buildArgs: { NAME: 'you', NONE: 'x' },
      labels: { own: '1' },
      onProgress: (event) => events.push(event),
    });
    expect(warnings).toEqual([{ rule: null, message: expect.stringContaining('"NONE"'), file: 'Dockerfile', line: 0 }]);
    expect(image.config).toEqual({
      env: expect.objectContaining({ GREETING: 'hello you', OTHER: '1' }),
      entrypoint: ['/bin/sh', '-e', '-c', 'sh /app/main.sh'],
      workingDir: '/app',
      user: '1000:1000',
      exposedPorts: ['80/tcp', '8000/udp', '8001/udp'],
      volumes: ['/data'],
      labels: { a: '1', 'b c': 'd', own: '1' },
      stopSignal: 'SIGINT',
      healthcheck: { test: ['CMD-SHELL', 'true'], interval: 5000, retries: 2 },
    });
    const { stdout } = await Container.run({ image, healthcheck: 'none', reject: true });
    expect(stdout).toBe('hello you from /app as 1000\nmade for you in /app\n');
    const output = events.flatMap((event) => (event.type === 'output' ? [`${event.stream}: ${event.text}`] : []));
    expect(output.toSorted()).toEqual(['stderr: aside\n', 'stdout: told\n']);
    expect(events.filter(({ type }) => type === 'step')).toHaveLength(13);
    expect(events.find(({ type }) => type === 'step')).toEqual({
      type: 'step',
      stage: 'base',
      platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
      number: 1,
      of: 13,
      instruction: 'ARG NAME=world',
      line: 3,
    });
    // what a container is mounted on is in no layer
    expect((await listed(image, image.layers.length - 1)).map((line) => line.split(' ').at(-1))).toEqual(['app/', 'app/made']);
  });

  it('stages: only what is needed is built, and COPY --from takes files with their owners', async () => {
    await base();
    const text = [
      `FROM ${BASE} AS make`,
      'RUN mkdir /out && echo made > /out/file && chown 5:6 /out/file && ln -s file /out/link && rm /bin/cat',
      `FROM ${BASE} AS never`,
      'RUN false',
      `FROM ${BASE}`,
      'COPY --from=make /out /in',
      'COPY --from=0 --chown=7 /out/file /owned',
      'RUN rm /usr/bin/id',
    ].join('\n');
    const { image } = await build({ context: context({}), ...dockerfile(text) });
    expect(
      await shell(image, 'cat /in/link; ls -ln /in/file /owned | while read a b c d e; do echo $c $d; done; ls /usr/bin/id || true'),
    ).toMatch(/^made\n5 6\n7 7\nls: \/usr\/bin\/id: No such file/);
    expect(image.layers).toHaveLength(4);
  });

  it('heredocs, a script of its own, ONBUILD', async () => {
    await base();
    const first = [
      `FROM ${BASE}`,
      'ENV V=1',
      'ONBUILD ENV W=2',
      'ONBUILD RUN echo triggered $W > /triggered',
      'RUN <<E',
      'echo one > /one',
      'echo two >> /one',
      'E',
      'RUN <<E',
      '#!/bin/sh -e',
      'echo $0 > /two',
      'E',
      'COPY <<E <<"F" /files/',
      'v is $V',
      'E',
      'v is $V',
      'F',
    ].join('\n');
    const { image } = await build({ context: context({}), ...dockerfile(first), tags: ['test/on:1'] });
    expect(await shell(image, 'cat /one /two /files/E /files/F; ls -d /triggered || true')).toMatch(
      /^one\ntwo\n\/dev\/pipes\/E\nv is 1\nv is \$V\nls: /,
    );
    const second = await build({ context: context({}), ...dockerfile('FROM test/on:1') });
    expect(await shell(second.image, 'cat /triggered; echo $W')).toBe('triggered 2\n2');
    const third = await build({ context: context({}), ...dockerfile(`FROM test/on:1 AS a\nFROM a\nRUN rm /triggered`) });
    expect(await shell(third.image, 'ls /triggered || true')).toContain('No such file');
  });

  it('the same input gives the same digest, with a date', async () => {
    await base();
    const text = `FROM ${BASE}\nCOPY . /c\nWORKDIR /w/x\nRUN echo a > b`;
    const options = { context: context({ a: '1', 'b/c': '2' }), ...dockerfile(text), sourceDateEpoch: 1_600_000_000 };
    const [one, two] = [await build(options), await build({ ...options, cache: false })];
    expect(one.image.digest).toBe(two.image.digest);
  });

  it('the date as a build argument, as an ARG before FROM and as the option: the same image', async () => {
    await base();
    const DATE = '1600000000';
    const body = `FROM ${BASE}\nARG SOURCE_DATE_EPOCH\nWORKDIR /w\nRUN echo $SOURCE_DATE_EPOCH > date`;
    const path = context({});
    const made = (text: string, options: BuildOptions) => build({ context: path, ...dockerfile(text), cache: false, ...options });
    const builds = [
      await made(body, { sourceDateEpoch: Number(DATE) }),
      await made(body, { buildArgs: { SOURCE_DATE_EPOCH: DATE } }),
      await made(`ARG SOURCE_DATE_EPOCH=${DATE}\n${body}`, {}),
    ];
    for (const { image, warnings } of builds) {
      expect([image.digest, warnings]).toEqual([builds[0]?.image.digest, []]);
      expect(await shell(image, 'cat /w/date; stat -c %Y /w/date')).toBe(`${DATE}\n${DATE}`);
    }
    await expect(made(`ARG SOURCE_DATE_EPOCH=no\n${body}`, {})).rejects.toMatchObject({ code: 'ERR_DOCKERFILE', line: 1 });
  });

  it('the ignore file, and one beside the Dockerfile', async () => {
    await base();
    const path = context({
      a: '',
      b: '',
      'c/d': '',
      'c/e': '',
      '.dockerignore': 'b\nc\n!c/e\n',
      'own/Dockerfile': 'FROM test/busybox:1\nCOPY . /x',
      'own/Dockerfile.dockerignore': '*\n!a\n',
    });
    const one = await build({ context: path, ...dockerfile(`FROM ${BASE}\nCOPY . /x/`) });
    expect((await shell(one.image, 'cd /x; find . -type f | sort')).split('\n')).toEqual([
      './.dockerignore',
      './a',
      './c/e',
      './own/Dockerfile',
      './own/Dockerfile.dockerignore',
    ]);
    const two = await build({ context: path, dockerfile: { path: 'own/Dockerfile' }, pull: 'never' });
    expect(await shell(two.image, 'ls -A /x')).toBe('a');
  });

  it('runs what a base has for later once, whatever comes after it there', async () => {
    const events: BuildEvent[] = [];
    const text = 'FROM scratch AS a\nONBUILD COPY f /g\nCOPY f /\nFROM a AS b\nFROM b';
    const { image } = await build({ context: context({ f: '' }), ...dockerfile(text), onProgress: (event) => events.push(event) });
    expect(image.layers).toHaveLength(2);
    const steps = events.flatMap((event) => (event.type === 'step' ? [[event.number, event.of]] : []));
    expect(steps).toEqual([
      [1, 2],
      [2, 2],
      [3, 3],
    ]);
  });

  it('COPY of a file over one that has another name leaves that name its bytes', async () => {
    const path = context({ 'a/x': 'one', 'b/x': 'two' });
    linkSync(join(path, 'a/x'), join(path, 'b/y'));
    await base();
    const { image } = await build({ context: path, ...dockerfile(`FROM ${BASE}\nCOPY a b /d/`) });
    expect(await shell(image, 'cat /d/x /d/y')).toBe('twoone');
    // a layer has one entry for each path
    expect((await listed(image, image.layers.length - 1)).map((line) => line.split(' ').at(-1))).toEqual(['d/', 'd/x', 'd/y']);
  });

  it('ends the program of a RUN when its listener throws, and tells what that has thrown', async () => {
    await base();
    const listener = ({ type }: BuildEvent): void => {
      if (type === 'output') throw new RangeError('of the listener');
    };
    const built = build({ context: context({}), ...dockerfile(`FROM ${BASE}\nRUN echo a; sleep 1000`), onProgress: listener });
    await expect(built).rejects.toThrow('of the listener');
    expect(await Container.list()).toEqual([]);
  });

  it('what leads out of the context finds nothing there', async () => {
    await base();
    const path = context({ a: 'a' });
    writeFileSync(join(folder, 'secret'), 'secret');
    symlinkSync('../secret', join(path, 'up'));
    symlinkSync(join(folder, 'secret'), join(path, 'away'));
    symlinkSync('a', join(path, 'good'));
    for (const source of ['../secret', 'up', 'away'])
      await expect(build({ context: path, ...dockerfile(`FROM ${BASE}\nCOPY ${source} /x`) })).rejects.toThrow('not found');
    const { image } = await build({ context: path, ...dockerfile(`FROM ${BASE}\nCOPY good /x`) });
    expect(await shell(image, 'cat /x')).toBe('a');
  });

  it('an abort ends the program, and nothing comes into the store', async () => {
    await base();
    const controller = new AbortController();
    const before = (await Image.list()).length;
    const building = build({
      context: context({}),
      ...dockerfile(`FROM ${BASE}\nRUN echo begun; while :; do :; done`),
      cancelSignal: controller.signal,
      onProgress: ({ type }) => void (type === 'output' && controller.abort(new Error('enough'))),
    });
    await expect(building).rejects.toThrow('enough');
    expect(await Image.list()).toHaveLength(before);
  });

  it('a stream of an archive is one layer below', async () => {
    const tar = execFileSync(
      'tar',
      ['-c', '-C', context({ 'etc/passwd': 'u:x:12:34::/:/bin/sh\n', 'etc/group': 'g:x:56:\n', f: '' }), '.'],
      { maxBuffer: 1 << 28 },
    );
    const [image] = await Image.load(Readable.from([tar]));
    await image?.tag('test/users:1');
    const built = await build({
      context: context({ a: '' }),
      ...dockerfile('FROM test/users:1\nCOPY --chown=u --chmod=u=rwX,go= a /o/\nCOPY --chown=u:g a /p\nCOPY --chown=:7 a /q'),
    });
    const lines = [await listed(built.image, 1), await listed(built.image, 2), await listed(built.image, 3)].flat();
    expect(lines.map((line) => line.replace(/ +0 .* /, ' '))).toEqual([
      'drwxr-xr-x 12/34 o/',
      '-rw------- 12/34 o/a',
      '-rw-r--r-- 12/56 p',
      '-rw-r--r-- 0/7 q',
    ]);
  });
});
