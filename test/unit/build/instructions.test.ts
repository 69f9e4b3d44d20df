import { describe, expect, test } from 'vitest';
import { BuildError } from '../../../lib/build/language/build-error.js';
import { parseDockerfile } from '../../../lib/build/language/dockerfile.js';
import type { StageInstruction } from '../../../lib/build/language/instruction-types.js';
import { parseRunMount } from '../../../lib/build/language/run-mounts.js';

function parsed(line: string): StageInstruction | undefined {
  return parseDockerfile(`FROM a\n${line}`).stages[0]?.instructions[0];
}

describe('instructions', () => {
  test.each<[string, object]>([
    [
      'COPY --from=b --chown=1:2 --chmod=755 --link --parents --exclude=x --exclude=y a b /c/',
      {
        kind: 'copy',
        from: 'b',
        chown: '1:2',
        chmod: '755',
        link: true,
        parents: true,
        excludes: ['x', 'y'],
        sources: ['a', 'b'],
        target: '/c/',
      },
    ],
    ['COPY --link=false a /', { link: false }],
    ['COPY ["a b", "/c d"]', { sources: ['a b'], target: '/c d' }],
    ['COPY a <<-"E" /x\n\tb\n\tE', { sources: ['a'], inline: [{ name: 'E', content: 'b\n', expand: false }] }],
    ['ADD --checksum=sha256:0 --unpack=false --keep-git-dir a /', { kind: 'add', checksum: 'sha256:0', unpack: false, keepGitDir: true }],
    ['ADD a /', { unpack: null, keepGitDir: null }],
    [
      'RUN --network=none --security=insecure --mount=type=tmpfs,target=/t --mount=target=/u a b',
      { kind: 'run', network: 'none', security: 'insecure', mounts: ['type=tmpfs,target=/t', 'target=/u'], words: ['a b'], isShell: true },
    ],
    ['RUN ["a", "b"]', { words: ['a', 'b'], isShell: false }],
    ['RUN <<E\nx\nE', { words: ['<<E'], heredocs: [{ name: 'E', content: 'x\n' }] }],
    [
      'ENV a=b c="d"',
      {
        pairs: [
          { name: 'a', value: 'b', isOld: false },
          { name: 'c', value: '"d"', isOld: false },
        ],
      },
    ],
    ['ENV a b c', { pairs: [{ name: 'a', value: 'b c', isOld: true }] }],
    [
      'ARG a b= c=d',
      {
        args: [
          { name: 'a', value: null },
          { name: 'b', value: '' },
          { name: 'c', value: 'd' },
        ],
      },
    ],
    ['EXPOSE 80 443/tcp', { kind: 'expose', ports: ['443/tcp', '80'] }],
    [
      'HEALTHCHECK --interval=1m30s --timeout=500ms --start-period=0 --start-interval=1.5s --retries=3 CMD a b',
      { test: ['CMD-SHELL', 'a b'], interval: 90_000, timeout: 500, startPeriod: 0, startInterval: 1500, retries: 3 },
    ],
    ['HEALTHCHECK cmd ["a"]', { test: ['CMD', 'a'] }],
    ['HEALTHCHECK none', { test: ['NONE'] }],
    ['ONBUILD COPY a /b', { kind: 'onbuild', text: 'COPY a /b' }],
    ['ONBUILD RUN <<E\nx\nE', { text: 'RUN <<E\nx\nE' }],
    ['VOLUME ["/a", " /b "]', { paths: ['/a', '/b'] }],
    ['SHELL ["a", "-c"]', { words: ['a', '-c'] }],
    ['CMD', { kind: 'cmd', words: [] }],
    ['WORKDIR a b', { kind: 'workdir', text: 'a b' }],
  ])('%s', (line, wanted) => {
    expect(parsed(line)).toMatchObject(wanted);
  });

  test.each([
    ['COPY a', 'COPY requires at least two arguments'],
    ['COPY a <<E\nE', 'cannot accept a heredoc as a destination'],
    ['COPY --form=b a /', 'unknown flag: --form (did you mean from?)'],
    ['COPY --constructor a /', 'unknown flag: --constructor'],
    ['COPY --from=a --from=b a /', 'duplicate flag specified: --from'],
    ['COPY --from a /', 'missing a value on flag: --from'],
    ['COPY --link= a /', 'missing a value on flag: --link'],
    ['COPY --link=yes a /', 'expecting boolean value for flag --link, not: yes'],
    ['ENV --a=b c=d', 'unknown flag: --a'],
    ['ENV =a', 'ENV names can not be blank'],
    ['ENV', 'ENV requires at least one argument'],
    ['ARG =a', 'ARG names can not be blank'],
    ['SHELL a', 'SHELL requires the arguments to be in JSON form'],
    ['SHELL []', 'SHELL requires at least one argument'],
    ['WORKDIR', 'WORKDIR requires exactly one argument'],
    ['VOLUME [""]', 'VOLUME specified can not be an empty string'],
    ['HEALTHCHECK NONE a', 'HEALTHCHECK NONE takes no arguments'],
    ['HEALTHCHECK X a', 'Unknown type "X" in HEALTHCHECK'],
    ['HEALTHCHECK CMD', 'Missing command after HEALTHCHECK CMD'],
    ['HEALTHCHECK --interval=1us CMD a', 'cannot be less than 1ms'],
    ['HEALTHCHECK --interval=1x CMD a', 'invalid duration "1x"'],
    ['HEALTHCHECK --retries=-1 CMD a', 'cannot be negative'],
    ['HEALTHCHECK --retries=a CMD a', '--retries must be a number'],
    ['ONBUILD ONBUILD RUN a', "isn't allowed"],
    ['ONBUILD FROM a', "FROM isn't allowed as an ONBUILD trigger"],
    ['ONBUILD', 'ONBUILD requires at least one argument'],
    ['RUN --network=bridge a', 'invalid network mode: "bridge"'],
    ['RUN --security=none a', 'security "none" is not valid'],
    ['RUN --mount=type=cache,from=$x,target=/a b', "'from' doesn't support variable expansion"],
    ['FROM', 'FROM requires either one or three arguments'],
    ['FROM a b', 'FROM requires either one or three arguments'],
    ['FROM a AS 1b', 'invalid name for build stage: "1b"'],
    ['RUNN a', 'unknown instruction: RUNN (did you mean RUN?)'],
    ['constructor a', 'unknown instruction: constructor'],
  ])('refuses %s', (line, message) => {
    expect(() => parseDockerfile(`FROM a\n${line}`)).toThrow(message);
  });

  test('an error shows the place', () => {
    const text = 'FROM a\n\n# b\nRUN c \\\n  d\nCOPYY e f\nRUN g\n';
    const error = ((): unknown => {
      try {
        return parseDockerfile(text, 'app/Dockerfile');
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(BuildError);
    expect(error).toMatchObject({ code: 'ERR_DOCKERFILE', file: 'app/Dockerfile', line: 6, instruction: 'COPYY e f' });
    expect(String(error).split('\n')).toEqual([
      'BuildError: app/Dockerfile:6: unknown instruction: COPYY (did you mean COPY?)',
      '4 |     RUN c \\',
      '5 |       d',
      '6 | >>> COPYY e f',
      '7 |     RUN g',
    ]);
  });

  test.each([
    ['RUN a\nFROM b', 'the first instruction but ARG must be FROM'],
    ['ARG a', 'contains no stages'],
    ['# syntax=other/frontend:1\nFROM a', 'asks for a frontend'],
    ['#!/bin/x\n# syntax=other\nFROM a', 'asks for a frontend'],
    ['// syntax=other\nFROM a', 'asks for a frontend'],
    ['{"syntax": "other"}', 'asks for a frontend'],
  ])('refuses the file %j', (text, message) => {
    expect(() => parseDockerfile(text)).toThrow(message);
  });

  test.each(['docker/dockerfile:1', 'docker/dockerfile-upstream:master-labs', 'example.org/docker/dockerfile@sha256:0'])(
    'takes syntax=%s',
    (name) => {
      expect(parseDockerfile(`# syntax=${name}\nARG v=1\nFROM a AS B\nFROM b`)).toMatchObject({
        globals: [{ args: [{ name: 'v', value: '1' }] }],
        stages: [{ from: { base: 'a', name: 'b' } }, { from: { base: 'b', name: null }, index: 1 }],
      });
    },
  );
});

describe('parseRunMount', () => {
  const mount = (text: string): object => parseRunMount(text, (value) => value.replace('$v', 'V'));

  test.each<[string, object]>([
    ['target=/a', { type: 'bind', target: '/a', readOnly: true }],
    ['type=bind,from=x,src=/s,dst=/a,rw', { from: 'x', source: '/s', target: '/a', readOnly: false }],
    ['type=bind,target=/a,readonly=false', { readOnly: false }],
    [
      'type=cache,target=/$v,id=i,sharing=locked,mode=0700,uid=1,gid=2',
      { type: 'cache', target: '/V', id: 'i', sharing: 'locked', mode: 0o700, uid: 1, gid: 2, readOnly: false },
    ],
    ['type=tmpfs,target=/t,size=64m', { type: 'tmpfs', size: 64 * 1024 * 1024, readOnly: false }],
    ['type=secret,id=s,required,env=E', { type: 'secret', id: 's', required: true, env: 'E' }],
    ['type=ssh,required=true', { type: 'ssh', required: true }],
    ['"target=/a,b",ro', { target: '/a,b' }],
  ])('%s', (text, wanted) => {
    expect(mount(text)).toMatchObject(wanted);
  });

  test.each([
    ['type=nfs,target=/a', 'unsupported mount type "nfs"'],
    ['tipe=bind', "unexpected key 'tipe' in 'tipe=bind' (did you mean type?)"],
    ['target', "invalid field 'target' must be a key=value pair"],
    ['size=1', "unexpected key 'size' for mount type 'bind'"],
    ['type=tmpfs,size=x', 'invalid value for size: x'],
    ['type=bind,mode=1', 'mode not allowed for "bind"'],
    ['type=secret', 'one of source, target required'],
    ['type=secret,id=a,src=b', "both source and id can't be set"],
    ['type=secret,id=a,from=b', 'should not have a from'],
    ['type=bind,sharing=shared', 'invalid cache sharing'],
    ['type=bind,required', "unexpected key 'required'"],
    ['type=cache,uid=-1', 'invalid value -1 for uid'],
    ['"target=/a', 'a quote is not closed'],
  ])('refuses %s', (text, message) => {
    expect(() => mount(text)).toThrow(message);
  });
});
