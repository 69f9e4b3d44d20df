import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type BuildOptions, build, Image } from '../../lib/index.js';
import { dockerfile, useBuilds } from '../fixtures/builds.js';
import { layerListing } from '../fixtures/layer-listing.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip', 'mkfifo'] });

describe('build: what is refused', () => {
  const { folder, context, base } = useBuilds();

  it.each<[string, string, object]>([
    ['FROM test/busybox:1\nRUN echo no >&2; exit 3', 'RUN has failed', { code: 'ERR_BUILD', line: 2, result: { exitCode: 3 } }],
    [
      'FROM test/busybox:1\nRUN echo "a $(printf \\\\033)[2Jword" >&2; exit 3',
      '\n| a [2Jword',
      { code: 'ERR_BUILD', result: { exitCode: 3 } },
    ],
    ['FROM test/busybox:1\nRUN false', 'the option network gives it one', {}],
    ['FROM test/busybox:1\nRUN ["/none"]', '/none', { code: 'ERR_BUILD', line: 2 }],
    ['FROM test/busybox:1\nUSER nobody9\nWORKDIR /new', 'USER: the user "nobody9" is not in /etc/passwd', { line: 3 }],
    // what a base has for later may do no more than the file's own instructions
    [
      'FROM test/busybox:1 AS a\nONBUILD RUN --network=host true\nFROM a',
      'ONBUILD of the base: RUN --network=host is not allowed',
      { line: 3 },
    ],
    ['FROM test/busybox:1 AS a\nONBUILD RUN --mount=type=secret,id=x,required true\nFROM a', 'the secret "x" is required', { line: 3 }],
    [
      'FROM test/busybox:1 AS a\nONBUILD RUN --security=insecure true\nFROM a',
      'ONBUILD of the base: RUN --security=insecure is not allowed',
      { line: 3 },
    ],
    ['FROM test/busybox:1 AS a\nONBUILD COPY --from=test/none a /\nFROM a', 'is not in the store', { line: 3 }],
    ['FROM scratch AS b\nFROM test/busybox:1 AS a\nONBUILD COPY --from=b a /\nFROM a', 'the stage b is built for no', { line: 4 }],
    ['FROM test/busybox:1 AS a\nONBUILD COPY one\nFROM a', 'ONBUILD of the base: ', { code: 'ERR_DOCKERFILE', line: 3 }],
    ['FROM test/busybox:1\nCOPY none /', '"/none": not found', { code: 'ERR_DOCKERFILE', line: 2 }],
    ['FROM test/busybox:1\nCOPY a /', 'cannot replace to directory /bin with file', { line: 2 }],
    ['FROM test/busybox:1\nCOPY c /', 'cannot copy to non-directory: /etc/passwd', { line: 2 }],
    ['FROM test/none:1', 'is not in the store', { code: 'ERR_BUILD', line: 1 }],
    ['FROM dir:/etc', "can't name files of this machine", { line: 1 }],
    ['FROM host', "can't name files of this machine", { line: 1 }],
    ['FROM test/busybox:1\nCOPY --chown=nobody9 a /x/', 'not in /etc/passwd', { line: 2 }],
    ['FROM test/busybox:1\nADD https://example.org/x /', 'the build has no network', { line: 2 }],
    ['FROM test/busybox:1\nRUN --network=host true', 'is not allowed', { line: 2 }],
    ['FROM test/busybox:1\nWORKDIR /etc/passwd/x/y', '/etc/passwd is no folder', { code: 'ERR_DOCKERFILE', line: 2 }],
    ['FROM scratch\nRUN true', 'nothing can be run', { line: 2 }],
    ['FROM scratch\nENV a=b', 'no layer', {}],
    ['FROM --platform=linux/s390x test/busybox:1', 'not for linux/s390x', { code: 'ERR_BUILD', line: 1 }],
    ['FROM --platform=windows/amd64 test/busybox:1', 'it has to be Linux', { code: 'ERR_DOCKERFILE', line: 1 }],
    ['FROM --platform=$NONE test/busybox:1', 'empty platform value from expression $NONE', { code: 'ERR_DOCKERFILE', line: 1 }],
  ])('refuses %j', async (text, message, fields) => {
    await base();
    const failing = build({ context: context({ 'a/bin': '', 'c/etc/passwd/x': '' }), ...dockerfile(text), tags: ['test/never'] });
    await expect(failing).rejects.toMatchObject({ name: 'BuildError', message: expect.stringContaining(message), ...fields });
    expect((await Image.list()).map(({ reference }) => reference)).toEqual(['docker.io/test/busybox:1']);
  });

  it.each<[BuildOptions | object, string]>([
    [{ dockerfil: 'x' }, "dockerfil: is unknown; did you mean 'dockerfile'?"],
    [{ context: '/none' }, 'context'],
    [{ dockerfile: 'none' }, 'dockerfile'],
    [{ dockerfile: '.' }, 'it is no file'],
    [{ target: 'none', dockerfile: { content: 'FROM scratch' } }, 'target'],
    [{ platform: 'linux' }, 'platform'],
    [{ platform: 'windows/amd64' }, 'it has to be Linux'],
    [{ platforms: [] }, 'platforms'],
    [{ platforms: ['linux/arm64', 'arm64/v8'] }, 'platforms'],
    [{ platforms: ['linux/arm64', 'linux/aarch64'] }, '"linux/arm64" is there twice'],
    [{ platform: 'arm64', platforms: ['arm64'] }, 'there can be only one of them'],
    [{ platforms: ['amd64', 'arm64'], output: { tar: '/none' } }, 'output.tar: it has the files of one platform'],
    [{ tags: ['UPPER'] }, 'UPPER'],
    [{ tags: [`a@sha256:${'0'.repeat(64)}`] }, 'tags'],
    [{ buildArgs: { a: 1 } }, 'buildArgs.a'],
    [{ network: 'other' }, 'network'],
    [{ cache: 'no' }, 'cache'],
    [{ allow: ['security.none'] }, 'allow'],
    [{ sourceDateEpoch: -1 }, 'sourceDateEpoch'],
    [{ cpus: 0 }, 'cpus'],
    [{ pidsLimit: 0 }, 'pidsLimit'],
    [{ timeout: -1 }, 'timeout'],
    [{ userns: 'keep-id' }, 'userns'],
    [{ cancelSignal: {} }, 'cancelSignal'],
  ])('refuses the options %j', async (options, message) => {
    await expect(build({ context: context({}), ...options })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
      message: expect.stringContaining(message),
    });
  });

  it.each<[string, string, (path: string) => void]>([
    ['a Dockerfile', 'Dockerfile', (path) => symlinkSync('/etc/hostname', path)],
    ['an ignore file', 'Dockerfile.dockerignore', (path) => symlinkSync('/etc/hostname', path)],
    ['an ignore file', '.dockerignore', (path) => symlinkSync('../../../../../../etc/hostname', path)],
  ])('follows %s no further than the root of the context: %s', async (_, name, link) => {
    const path = context(name === 'Dockerfile' ? { a: '' } : { a: '', Dockerfile: 'FROM scratch\nCOPY . /' });
    link(join(path, name));
    const built = build({ context: path });
    if (name === 'Dockerfile')
      await expect(built).rejects.toMatchObject({ message: 'option dockerfile: "Dockerfile": there is no such file' });
    else expect(await layerListing((await built).image, 0, folder)).toContainEqual(expect.stringMatching(/ a$/));
  });

  it.each(['Dockerfile', 'Dockerfile.dockerignore', '.dockerignore'])('refuses a folder and a FIFO in the place of %s', async (name) => {
    for (const make of [mkdirSync, (path: string) => execFileSync('mkfifo', [path])]) {
      const path = context(name === 'Dockerfile' ? {} : { Dockerfile: 'FROM scratch' });
      make(join(path, name));
      await expect(build({ context: path })).rejects.toMatchObject({
        code: 'ERR_INVALID_OPTION',
        message: expect.stringContaining(`"${name}": it is no file`),
      });
    }
  });
});
