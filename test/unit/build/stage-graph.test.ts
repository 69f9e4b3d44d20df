import { describe, expect, test } from 'vitest';
import { parseDockerfile } from '../../../lib/build/language/dockerfile.js';
import type { Arg, StageInstruction } from '../../../lib/build/language/instruction-types.js';
import { automaticArgs, globalScope, StageScope } from '../../../lib/build/language/scopes.js';
import { stageGraph } from '../../../lib/build/language/stage-graph.js';

const platform = { os: 'linux', architecture: 'amd64' };
const automatic = automaticArgs({ build: platform, target: { ...platform, architecture: 'arm64', variant: 'v8' }, stage: 'default' });

function graph(text: string, target: string | null = null, args: Record<string, string> = {}) {
  const file = parseDockerfile(text);
  const globals = globalScope(file.globals, { automatic, args, escaper: '\\' });
  return stageGraph(file, { target, globals });
}

const needed = (text: string, target: string | null = null): number[] => graph(text, target).needed.map(({ stage }) => stage.index);

describe('stageGraph', () => {
  test.each<[string, string | null, number[]]>([
    ['FROM a\nFROM b', null, [1]],
    ['FROM a AS x\nFROM b AS y\nFROM c\nCOPY --from=x / /', null, [0, 2]],
    ['FROM a AS x\nFROM x AS y\nFROM Y', null, [0, 1, 2]],
    ['FROM a\nFROM b\nCOPY --from=0 / /', null, [0, 1]],
    ['FROM a AS x\nFROM b\nRUN --mount=from=x,target=/m c', null, [0, 1]],
    ['FROM a AS x\nFROM b AS y\nFROM y', 'X', [0]],
    ['FROM a AS x\nFROM b AS y\nFROM y', '1', [1]],
    ['FROM a AS x\nFROM b AS x\nFROM x', null, [1, 2]],
    ['FROM x AS x', null, [0]],
  ])('%j needs %j: %j', (text, target, wanted) => {
    expect(needed(text, target)).toEqual(wanted);
  });

  test('resolves bases by the global arguments alone', () => {
    expect(graph('ARG v=1\nARG w=${v}2\nFROM --platform=$BUILDPLATFORM a:$w').target).toMatchObject({
      base: { kind: 'name', name: 'a:12' },
      platform: 'linux/amd64',
    });
    expect(graph('ARG v=1\nFROM a:$v', null, { v: '3' }).target.base).toEqual({ kind: 'name', name: 'a:3' });
    expect(graph('FROM scratch').target.base).toEqual({ kind: 'scratch' });
    expect(graph('FROM a\nCOPY --from=busybox:1 / /').target.origins.get('busybox:1')).toEqual({ kind: 'name', name: 'busybox:1' });
  });

  test.each([
    ['FROM $none', null, 'should not be blank'],
    ['FROM a AS x\nFROM b', 'z', 'option target: "z" is no stage of the Dockerfile'],
    ['FROM a AS build\nFROM b', 'biuld', 'did you mean build?'],
    ['FROM a AS x\nCOPY --from=x / /', null, 'circular dependency detected on stage: x'],
    ['FROM a\nCOPY --from=y / /\nFROM b AS y', '0', 'is defined later'],
    ['FROM a\nCOPY --from=1 / /\nFROM b', '0', 'stage index 1'],
    ['FROM a\nCOPY --from=$x / /', null, 'variable expansion is not supported for --from'],
  ])('refuses %j', (text, target, message) => {
    expect(() => graph(text, target)).toThrow(message);
  });
});

describe('scopes', () => {
  test('has the platforms in parts', () => {
    expect(Object.fromEntries(automatic)).toMatchObject({
      BUILDPLATFORM: 'linux/amd64',
      TARGETPLATFORM: 'linux/arm64/v8',
      TARGETVARIANT: 'v8',
      TARGETSTAGE: 'default',
    });
  });

  function after(lines: string, { args = {}, globals = {}, env = {} }: Record<string, Record<string, string>> = {}) {
    const scope = new StageScope(new Map(Object.entries(env)), { escaper: '\\', args, globals: new Map(Object.entries(globals)) });
    for (const instruction of parseDockerfile(`FROM a\n${lines}`).stages[0]?.instructions ?? []) apply(scope, instruction);
    return { env: Object.fromEntries(scope.env), variables: Object.fromEntries(scope.variables), args: scope.args };
  }

  function apply(scope: StageScope, instruction: StageInstruction | Arg): void {
    if (instruction.kind === 'env') scope.setEnv(instruction.pairs);
    if (instruction.kind === 'arg') scope.setArgs(instruction);
  }

  test.each<[string, Parameters<typeof after>[1], object]>([
    ['ARG a', { globals: { a: '1' } }, { variables: { a: '1' }, env: {}, args: [['a', '1']] }],
    ['ARG a=2', { globals: { a: '1' } }, { variables: { a: '2' } }],
    ['ARG a=2', { args: { a: '3' } }, { variables: { a: '3' } }],
    ['ARG a', {}, { variables: {}, args: [] }],
    ['ENV b=$a', { globals: { a: '1' } }, { env: { b: '' } }],
    ['ARG a=1\nENV a=2\nENV b=$a', {}, { env: { a: '2', b: '2' } }],
    ['ENV a=1\nARG a=2\nENV b=$a', {}, { env: { a: '1', b: '2' }, variables: { a: '2', b: '2' } }],
    ['ENV a=1\nENV a=2 b=$a', {}, { env: { a: '2', b: '1' } }],
    ['ENV $k=v "x y"=z', { env: { k: 'n' } }, { env: { k: 'n', n: 'v', 'x y': 'z' } }],
    ['ARG constructor', { args: {} }, { variables: {} }],
  ])('%j with %j', (lines, given, wanted) => {
    expect(after(lines, given)).toMatchObject(wanted);
  });
});
