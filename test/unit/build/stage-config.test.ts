import { describe, expect, test } from 'vitest';
import { StageConfig, variablesOf } from '../../../lib/build/execute/stage-config.js';
import { problemOf } from '../../../lib/build/execute/supported.js';
import { parseDockerfile } from '../../../lib/build/language/dockerfile.js';
import { StageScope } from '../../../lib/build/language/scopes.js';

type Base = ConstructorParameters<typeof StageConfig>[0];

function applied(lines: string, base: Exclude<Base, StageConfig> = {}) {
  const scope = new StageScope(variablesOf(base), { escaper: '\\', args: {}, globals: new Map() });
  const config = new StageConfig(base, '\\');
  for (const instruction of parseDockerfile(`FROM a\n${lines}`).stages[0]?.instructions ?? []) config.apply(instruction, scope);
  return { config, result: config.result(scope) };
}

describe('StageConfig', () => {
  test.each<[string, Exclude<Base, StageConfig>, object]>([
    ['ENTRYPOINT ["a"]', { Cmd: ['b'] }, { Entrypoint: ['a'] }],
    ['CMD c\nENTRYPOINT ["a"]', { Cmd: ['b'] }, { Entrypoint: ['a'], Cmd: ['/bin/sh', '-c', 'c'] }],
    ['CMD a', { Shell: ['/bin/bash', '-c'] }, { Cmd: ['/bin/bash', '-c', 'a'] }],
    ['SHELL ["x"]\nCMD a\nENTRYPOINT b', {}, { Shell: ['x'], Cmd: ['x', 'a'], Entrypoint: ['x', 'b'] }],
    ['WORKDIR a\nWORKDIR ../b/', { WorkingDir: '/w' }, { WorkingDir: '/w/b' }],
    ['ENV d=/x\nWORKDIR $d/y', {}, { WorkingDir: '/x/y' }],
    ['USER $u', { Env: ['u=me:us'] }, { User: 'me:us' }],
    [
      'ENV p="80 81/udp"\nEXPOSE $p 90-92/TCP',
      { ExposedPorts: { '1/tcp': {} } },
      { ExposedPorts: { '1/tcp': {}, '80/tcp': {}, '81/udp': {}, '90/tcp': {}, '91/tcp': {}, '92/tcp': {} } },
    ],
    ['VOLUME /a "/b"', { Volumes: { '/c': {} } }, { Volumes: { '/c': {}, '/a': {}, '/b': {} } }],
    ['LABEL a=b', { Labels: { a: 'c', d: 'e' } }, { Labels: { a: 'b', d: 'e' } }],
    ['HEALTHCHECK NONE', { Healthcheck: { Test: ['CMD', 'x'], Interval: 1 } }, { Healthcheck: { Test: ['NONE'] } }],
    ['HEALTHCHECK --timeout=1500ms CMD ["a"]', {}, { Healthcheck: { Test: ['CMD', 'a'], Timeout: 1_500_000_000 } }],
    ['ONBUILD RUN a\nONBUILD COPY b /', { OnBuild: ['RUN x'] }, { OnBuild: ['RUN a', 'COPY b /'] }],
    ['STOPSIGNAL 9', {}, { StopSignal: '9' }],
    ['ENV A=1', { Env: ['A=0', 'B=2', 'PATH=/p'] }, { Env: ['A=1', 'B=2', 'PATH=/p'] }],
    ['ARG A=1', {}, { Env: [expect.stringMatching(/^PATH=.*\/sbin:\/bin$/)] }],
  ])('%j on %j', (lines, base, wanted) => {
    expect(applied(lines, base).result).toMatchObject(wanted);
  });

  test.each([
    ['EXPOSE 80/x', 'invalid containerPort: 80/x'],
    ['EXPOSE 70000', 'invalid containerPort'],
    ['EXPOSE 0-65535 0-65535/udp 0-65535/sctp 80', 'more ports than there are'],
    ['EXPOSE 9-8', 'invalid containerPort'],
    ['STOPSIGNAL SIGNONE', 'invalid signal'],
    ['VOLUME $none', 'VOLUME specified can not be an empty string'],
  ])('refuses %j', (lines, message) => {
    expect(() => applied(lines)).toThrow(message);
  });

  test('tells who MAINTAINER says has made the image, also to the stage above', () => {
    const { config } = applied('ARG who=me\nMAINTAINER $who');
    expect([config.author, new StageConfig(config, '\\').author, applied('USER x').config.author]).toEqual(['$who', '$who', null]);
  });

  test('an ENTRYPOINT takes the CMD of the base away', () => {
    expect(applied('ENTRYPOINT ["a"]', { Cmd: ['b'] }).result).not.toHaveProperty('Cmd');
  });

  test('leaves a command without words out', () => {
    expect(applied('CMD []\nENTRYPOINT []', { Cmd: ['b'], Entrypoint: ['c'] }).result).toEqual({
      Env: [expect.stringContaining('PATH=')],
      ArgsEscaped: true,
    });
  });

  test.each([
    ['ENV A=1 B="two words" C=$A', 'ENV A=1 B=two words C='],
    ['ENV A some  text', 'ENV A=some  text'],
    ['ARG A=1 B C=$A', 'ARG A=1 B C=1'],
    ['LABEL "a b"=c', 'LABEL a b=c'],
    ['CMD a "b"', 'CMD ["/bin/sh" "-c" "a \\"b\\""]'],
    ['ENTRYPOINT ["a", "b"]', 'ENTRYPOINT ["a" "b"]'],
    ['SHELL ["a", "-b"]', 'SHELL [a -b]'],
    ['WORKDIR a/', 'WORKDIR /a'],
    ['USER ${U:-x}', 'USER x'],
    ['STOPSIGNAL 9', 'STOPSIGNAL 9'],
    ['EXPOSE 81 80/UDP 80-81', 'EXPOSE [80/tcp 81/tcp 80/udp]'],
    ['EXPOSE 8080:80 127.0.0.1:81:82/udp [::1]:83:84 90-91:92-93', 'EXPOSE [82/udp 80/tcp 92/tcp 93/tcp 84/tcp]'],
    ['VOLUME ["/a b", "/c"]', 'VOLUME [/a b /c]'],
    ['healthcheck --retries=2  CMD x', 'HEALTHCHECK --retries=2  CMD x'],
    ['MAINTAINER me $x', 'MAINTAINER me $x'],
    ['ONBUILD RUN x', null],
  ])('tells the history of %j', (line, words) => {
    const scope = new StageScope(new Map(), { escaper: '\\', args: {}, globals: new Map() });
    const [instruction] = parseDockerfile(`FROM a\n${line}`).stages[0]?.instructions ?? [];
    expect(instruction && new StageConfig({}, '\\').apply(instruction, scope)).toBe(words);
  });

  test('leaves the configuration of the stage below as it is', () => {
    const { config: below, result } = applied('LABEL a=b\nCMD x\nSHELL ["s"]');
    const scope = new StageScope(new Map(), { escaper: '\\', args: {}, globals: new Map() });
    const above = new StageConfig(below, '\\');
    for (const instruction of parseDockerfile('FROM a\nLABEL a=c\nWORKDIR /x\nCMD y').stages[0]?.instructions ?? [])
      above.apply(instruction, scope);
    expect(above.result(scope)).toMatchObject({ Labels: { a: 'c' }, WorkingDir: '/x', Cmd: ['s', 'y'] });
    expect(result).toMatchObject({ Labels: { a: 'b' }, Cmd: ['/bin/sh', '-c', 'x'] });
    expect(result).not.toHaveProperty('WorkingDir');
  });

  test('begins in /, which is said where there is no image below', () => {
    const scope = new StageScope(new Map(), { escaper: '\\', args: {}, globals: new Map() });
    expect(new StageConfig(undefined, '\\').result(scope).WorkingDir).toBe('/');
    expect(new StageConfig({}, '\\').result(scope)).not.toHaveProperty('WorkingDir');
    expect(new StageConfig({}, '\\').workingDir).toBe('/');
  });

  test.each([
    ['.', '/w/'],
    ['x', '/w/x'],
    ['x/', '/w/x/'],
    ['/x/../y', '/y'],
    ['..', '/'],
  ])('the path %j is %j', (path, wanted) => {
    expect(applied('', { WorkingDir: '/w' }).config.absolute(path)).toBe(wanted);
  });
});

describe('problemOf', () => {
  test.each([
    ['RUN --security=insecure b', "the option allow must have 'security.insecure'"],
    ['RUN --network=host b', "the option allow must have 'network.host'"],
  ])('%s', (line, message) => {
    const [instruction] = parseDockerfile(`FROM a\n${line}`).stages[0]?.instructions ?? [];
    expect(instruction && problemOf(instruction, { allow: [] })).toContain(message);
  });

  test('what the caller allows is none', () => {
    const [instruction] = parseDockerfile('FROM a\nRUN --network=host --security=insecure b').stages[0]?.instructions ?? [];
    expect(instruction && problemOf(instruction, { allow: ['network.host', 'security.insecure'] })).toBeNull();
    expect(instruction && problemOf(instruction, { allow: ['network.host'] })).toContain('security.insecure');
  });
});
