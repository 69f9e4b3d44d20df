import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DockerfileProblem } from '../../../lib/build/language/build-error.js';
import { parseDockerfile } from '../../../lib/build/language/dockerfile.js';
import { parseIgnoreFile } from '../../../lib/build/language/ignore-file.js';
import { automaticArgs, globalScope } from '../../../lib/build/language/scopes.js';
import { stageGraph } from '../../../lib/build/language/stage-graph.js';
import { checkDirective } from '../../../lib/build/lint/check-directive.js';
import { lint } from '../../../lib/build/lint/lint.js';
import type { BaseImage } from '../../../lib/build/lint/stage-rules.js';
import type { Platform } from '../../../lib/image/formats/platform.js';
import type { LintRow } from './lint-row.js';
import { LINT_ROWS } from './lint-rows.js';

const here = { os: 'linux', architecture: 'amd64' };
const base: BaseImage = { variables: new Map([['PATH', '/bin']]), hasShell: false, triggers: [], platform: here };

const withShell: BaseImage = { ...base, variables: new Map([...base.variables, ['IMGVAR', '1']]), hasShell: true };

/** With ONBUILD of something that each rule looks at. */
function withTriggers(): BaseImage {
  const { stages } = parseDockerfile('FROM x\nARG TARG=1\nENV TENV=1 UU=$UNDEF\nCMD a\nWORKDIR rel');
  const triggers = stages.flatMap(({ instructions }) => instructions).map((one) => ({ ...one, lines: { start: 1, end: 1 } }));
  return { ...base, triggers };
}

const IMAGES: Readonly<Record<string, BaseImage>> = { 'test/shell:1': withShell, 'test/trig:1': withTriggers() };

function found({ text, args = {}, target, ignore = '' }: Omit<LintRow, 'found'>): string[] {
  const file = parseDockerfile(text);
  const automatic = automaticArgs({ build: here, target: here, stage: 'default' });
  const globals = globalScope(file.globals, { automatic, args, escaper: '\\' });
  const { all, needed } = stageGraph(file, { target: target ?? null, globals });
  const directive = checkDirective(file.parsed.check);
  if (directive.skip === 'all') return [];
  return lint(file, {
    stages: target === undefined ? all : needed,
    directive,
    defaults: globalScope(file.globals, { automatic, args: {}, escaper: '\\' }),
    ...{
      globals,
      args,
      escaper: '\\',
      platform: here,
      baseOf: ({ base: from }) => (from.kind === 'name' ? IMAGES[from.name] : undefined) ?? base,
      ignored: parseIgnoreFile(ignore, '.dockerignore'),
      isStrict: false,
    },
  }).map(({ rule, message, line }) => `${line} ${rule}: ${message}`);
}

describe('lint', () => {
  test.each(LINT_ROWS)('$text', (row) => {
    expect(found(row).toSorted()).toEqual(row.found.toSorted());
  });

  /** What is found in a Dockerfile that is built for one platform, on an image that says another one. */
  function foundOn(said: Platform | null, text: string, platform: Platform = here): readonly object[] {
    const file = parseDockerfile(text);
    const automatic = automaticArgs({ build: here, target: here, stage: 'default' });
    const { all } = stageGraph(file, { target: null, globals: automatic });
    const scopes = { globals: automatic, defaults: automatic };
    const context = {
      args: {},
      escaper: '\\',
      platform,
      baseOf: () => ({ ...base, platform: said }),
      ignored: parseIgnoreFile('', '.dockerignore'),
      isStrict: false,
    };
    return lint(file, { stages: all, directive: checkDirective(null), ...scopes, ...context });
  }

  test('tells of a base for another platform', () => {
    expect(foundOn({ ...here, architecture: 'aarch64', variant: 'v8' }, 'FROM a\nFROM --platform=$BUILDPLATFORM b')).toEqual(
      ['a', 'b'].map((name, index) => ({
        rule: 'InvalidBaseImagePlatform',
        message: `Base image ${name} was pulled with platform "linux/arm64", expected "linux/amd64" for current build`,
        line: index + 1,
      })),
    );
  });

  const arm = { os: 'linux', architecture: 'arm' };
  test.each<[said: Platform | null, text: string, target?: Platform]>([
    [{ ...arm, variant: 'v7' }, 'FROM a', { ...arm, variant: 'v7' }],
    [{ ...arm, variant: 'v6' }, 'FROM a', { ...arm, variant: 'v7' }],
    [arm, 'FROM a', { ...arm, variant: 'v6' }],
    [{ ...here, architecture: 'arm64', variant: 'v8' }, 'FROM a', { ...here, architecture: 'arm64' }],
    [{ ...here, architecture: 'x86_64' }, 'FROM a'],
    [here, 'FROM --platform=x86_64 a'],
    [here, 'FROM --platform=linux/amd64/v1 a'],
    [{ ...arm, variant: 'v7' }, 'FROM --platform=armhf a'],
    [null, 'FROM --platform=arm64 a'],
  ])('finds that a base for %j is what %j asks for', (said, text, target) => {
    const rules = foundOn(said, text, target);
    expect(rules).not.toContainEqual(expect.objectContaining({ rule: 'InvalidBaseImagePlatform' }));
  });

  test('has one name for each platform in what is told of a base', () => {
    expect(foundOn({ ...here, architecture: 'armhf' }, 'FROM --platform=aarch64 a')).toContainEqual(
      expect.objectContaining({ message: expect.stringContaining('platform "linux/arm/v7", expected "linux/arm64" for') }),
    );
  });

  test.each([
    ['foo=bar', 'invalid check directive: "foo=bar" is none of skip=, error= and experimental='],
    ['skip', '"skip" is none of'],
    ['skip=all;', '"" is none of'],
    ['error=maybe', 'error must be true or false, not "maybe"'],
  ])('refuses # check=%s', (value, message) => {
    const refused = (): unknown => checkDirective(parseDockerfile(`# escape=\\\n# check=${value}\nFROM a`).parsed.check);
    expect(refused).toThrow(message);
    expect(refused).toThrow(expect.objectContaining({ constructor: DockerfileProblem, lines: { start: 2, end: 2 } }));
  });

  test('reads any directive, or refuses it with its line', () => {
    const parts = fc.array(fc.oneof(fc.constantFrom('skip', 'error', 'experimental', '=', ';', ',', 'all', 'true', ' '), fc.string()));
    fc.assert(
      fc.property(parts, (words) => {
        const directive = { name: 'check', value: words.join(''), line: 7 } as const;
        try {
          expect(typeof checkDirective(directive).error).toBe('boolean');
        } catch (error) {
          expect(error).toMatchObject({ constructor: DockerfileProblem, lines: { start: 7 } });
        }
      }),
    );
  });

  test('goes on after a stage with what can not be expanded, which fails the build', () => {
    const text = 'FROM test/base:1\nCMD a\nENV A=${B:?}\nCMD b\nFROM test/base:1\nENTRYPOINT c';
    expect(found({ text }).map((one) => one.split(':')[0])).toEqual([
      '2 MultipleInstructionsDisallowed',
      '2 JSONArgsRecommended',
      '6 JSONArgsRecommended',
    ]);
  });
});
