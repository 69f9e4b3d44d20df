import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseBuildOptions } from '../../../lib/build/execute/build-options.js';
import { parseDockerfile } from '../../../lib/build/language/dockerfile.js';
import { fileAt } from '../../../lib/build/language/excerpt.js';
import { expandWord } from '../../../lib/build/language/expand-words.js';
import type { StageInstruction } from '../../../lib/build/language/instruction-types.js';
import * as makers from '../../../lib/build/steps/make-steps.js';
import type { BuildInstruction } from '../../../lib/build/steps/step-types.js';
import { writtenStep } from '../../../lib/build/steps/steps-dockerfile.js';

const steps = { ...makers };

/** What is understood of a step, as build() does it: checked, written, parsed. */
function understood(step: BuildInstruction): StageInstruction | undefined {
  const { dockerfile } = parseBuildOptions({ steps: [steps.user('before'), step, steps.user('after')] });
  if (typeof dockerfile === 'string') throw new Error('the steps were not written');
  const { instructions } = parseDockerfile(dockerfile.content, 'steps', dockerfile.steps).stages[0] ?? {};
  // neither of its neighbours became a part of the step
  expect(instructions?.map(({ kind }) => kind)).toEqual(['user', step.kind, 'user']);
  expect(instructions?.map(({ lines }) => fileAt({ file: '', steps: dockerfile.steps ?? null }, lines.end))).toEqual([
    'steps[0]',
    'steps[1]',
    'steps[2]',
  ]);
  return instructions?.[1];
}

/** The word's value, as it is when the step is carried out. */
function value(word: string): string {
  return expandWord(word, { escaper: '\\', lookup: (name) => (name === 'A' ? 'of A' : undefined) }).text;
}

/** A text in which no character means more than itself. */
function literal(text: string): string {
  return text.replaceAll(/[\\$]/g, '\\$&');
}

// what shells, JSON and Dockerfiles have a use for comes often
const special = fc.constantFrom(...'\\\'"$`<>[]{}#=,;&|*?!~ \t\r\u0085\u00a0-ab', '--', '<<E', '\\\n', '# a');
const anything = fc.oneof(
  fc.string({ unit: fc.oneof(special, fc.string({ unit: 'binary', maxLength: 1 })) }),
  fc.string({ unit: 'binary' }),
);
const text = anything.map((one) => one.replaceAll('\0', ''));
const line = text.map((one) => one.replaceAll('\n', ''));
const full = line.filter((one) => one !== '');
const word = text.filter((one) => one !== '');
const name = fc.stringMatching(/^[A-Za-z_][\w.-]*$/);
const values = fc.dictionary(name, line, { minKeys: 1, noNullPrototype: true });

describe('steps mean what they say, whatever characters they have', () => {
  test.each(['env', 'label'] as const)('%s', (kind) => {
    fc.assert(
      fc.property(values, (given) => {
        const read = understood(steps[kind](Object.fromEntries(Object.entries(given).map(([key, one]) => [key, literal(one)]))));
        const pairs = read?.kind === kind ? read.pairs : [];
        expect(pairs.map((pair) => [value(pair.name), value(pair.value), pair.isOld])).toEqual(
          Object.entries(given).map(([key, one]) => [key, one, false]),
        );
      }),
    );
  });

  test('arg', () => {
    fc.assert(
      fc.property(name, fc.option(line), (key, given) => {
        const read = understood(given === null ? steps.arg(key) : steps.arg(key, literal(given)));
        const [first] = read?.kind === 'arg' ? read.args : [];
        expect(first?.name).toBe(key);
        const found = first?.value ?? null;
        expect(found === null ? null : value(found)).toBe(given);
      }),
    );
  });

  test('run', () => {
    fc.assert(
      fc.property(word, fc.array(full), (command, mounts) => {
        const types = mounts.map((mount) => `type=tmpfs,target=/${mount.replaceAll(/[",]/g, '')}`);
        const read = understood(steps.run(command, { mounts: types, network: 'none' }));
        if (read?.kind !== 'run') throw new Error('it is no RUN');
        expect(read).toMatchObject({ isShell: true, mounts: types, network: 'none' });
        const [heredoc, ...others] = read.heredocs;
        expect(others).toEqual([]);
        if (heredoc) expect(heredoc.content).toBe(command.endsWith('\n') ? command : `${command}\n`);
        else expect(read.words).toEqual([command]);
      }),
    );
  });

  test('run with a mount that begins a variable, beside a text that needs a heredoc', () => {
    const mounts = ['type=tmpfs,target=/${'];
    const read = understood(steps.run('\\', { mounts, network: 'none' }));
    expect(read).toMatchObject({ mounts, heredocs: [{ content: '\\\n' }] });
  });

  test.each(['run', 'cmd', 'entrypoint', 'shell', 'healthcheck'] as const)('words of %s', (kind) => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1 }), (words) => {
        const read = understood(steps[kind](words));
        if (read?.kind === 'healthcheck') expect(read.test).toEqual(['CMD', ...words]);
        else expect(read).toMatchObject({ words });
        if (read?.kind !== 'shell' && read?.kind !== 'healthcheck') expect(read).toMatchObject({ isShell: false });
      }),
    );
  });

  test.each(['cmd', 'entrypoint', 'healthcheck'] as const)('a text of %s is refused, or a shell gets it as it is', (kind) => {
    fc.assert(
      fc.property(
        word.filter((one) => one !== 'none'),
        (command) => {
          try {
            parseBuildOptions({ steps: [steps[kind](command)] });
          } catch (error) {
            expect(error).toMatchObject({ message: expect.stringMatching(/^option steps\[0\]\.command: can't be written as one line/) });
            return;
          }
          const read = understood(steps[kind](command));
          if (read?.kind === 'healthcheck') expect(read.test).toEqual(['CMD-SHELL', command]);
          else expect(read).toMatchObject({ words: [command], isShell: true });
        },
      ),
    );
  });

  test.each(['copy', 'add'] as const)('%s', (kind) => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), word, full, fc.array(full), (sources, target, owner, exclude) => {
        const options = { chown: literal(owner), chmod: literal(owner), exclude, link: true };
        const read = understood(steps[kind](sources.map(literal), literal(target), options));
        if (read?.kind !== kind) throw new Error('it is another instruction');
        expect(read.sources.map(value)).toEqual(sources);
        expect([read.target, read.chown, read.chmod].map(value)).toEqual([target, owner, owner]);
        expect(read).toMatchObject({ excludes: exclude, inline: [], link: true });
      }),
    );
  });

  test.each(['workdir', 'user', 'stopSignal'] as const)('%s', (kind) => {
    fc.assert(
      fc.property(full, (given) => {
        const read = understood(steps[kind](literal(given)));
        expect(read && 'text' in read ? value(read.text) : null).toBe(given);
      }),
    );
  });

  test('volume', () => {
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (paths) => {
        const read = understood(steps.volume(...paths.map(literal)));
        expect(read?.kind === 'volume' ? read.paths.map(value) : null).toEqual(paths);
      }),
    );
  });
});

describe('steps as a Dockerfile has them', () => {
  test.each<[string, BuildInstruction]>([
    ['ARG V', steps.arg('V')],
    ['ARG V=1', steps.arg('V', '1')],
    ['ENV PATH=/opt/bin:$PATH', steps.env({ PATH: '/opt/bin:$PATH' })],
    [
      'RUN --mount=type=cache,target=/c --network=none make && make install',
      steps.run('make && make install', { mounts: ['type=cache,target=/c'], network: 'none' }),
    ],
    ['RUN <<EOF1\nset -e\ncat > f <<EOF\nEOF\nEOF1', steps.run('set -e\ncat > f <<EOF\nEOF')],
    ['RUN ["a","b c"]', steps.run(['a', 'b c'])],
    [
      'COPY --from=b --parents=true --chown=1:$G --chmod=u+x --link=false --exclude="a b" ["a","b","/c/"]',
      steps.copy(['a', 'b'], '/c/', { from: 'b', parents: true, chown: '1:$G', chmod: 'u+x', link: false, exclude: ['a b'] }),
    ],
    ['ADD --checksum=sha256:0 --unpack=false ["a.tar","/"]', steps.add('a.tar', '/', { checksum: 'sha256:0', unpack: false })],
    ['EXPOSE 80 53/udp', steps.expose(80, '53/udp')],
    ['VOLUME ["/a"]', steps.volume('/a')],
    ['STOPSIGNAL SIGQUIT', steps.stopSignal('SIGQUIT')],
    ['HEALTHCHECK NONE', steps.healthcheck('none')],
    [
      'HEALTHCHECK --interval=5s --timeout=1500ms --start-period=1s --start-interval=2s --retries=3 CMD test -e /x',
      steps.healthcheck('test -e /x', { interval: 5000, timeout: 1500, startPeriod: 1000, startInterval: 2000, retries: 3 }),
    ],
  ])('%s', (written, step) => {
    expect(writtenStep(step)).toBe(written);
    expect(understood(step)).toBeDefined();
  });

  test('variables have their values, unless they are escaped', () => {
    const read = understood(steps.env({ V: 'a "$A" \\$A \\\\$A ${B:-it\'s b} \\d' }));
    expect(read?.kind === 'env' ? read.pairs.map((pair) => value(pair.value)) : null).toEqual(['a "of A" $A \\of A it\'s b \\d']);
  });
});

describe('steps that are refused', () => {
  test.each<[object, string]>([
    [{ steps: [], dockerfile: 'D' }, 'option dockerfile: must not be there beside steps'],
    [{ from: 'a' }, 'option from: must not be there without steps'],
    [{ steps: [], from: 'a b' }, 'option from: must be a word'],
    [{ steps: [], from: 'a\nRUN evil' }, 'option from: must be a word'],
    [{ steps: [{ kind: 'rum', command: 'a' }] }, 'option steps[0].kind: '],
    [{ steps: [steps.user('a'), { kind: 'run', comand: 'a' }] }, 'option steps[1].command: is missing'],
    [{ steps: [{ ...steps.run('a'), mount: [] }] }, "option steps[0].mount: is unknown; did you mean 'mounts'?"],
    [{ steps: [steps.run('')] }, 'option steps[0].command: '],
    [{ steps: [steps.run([])] }, 'option steps[0].command: '],
    [{ steps: [steps.run('a\0')] }, 'option steps[0].command: must not contain a NUL byte'],
    [{ steps: [steps.env({ A: 'a\nRUN evil' })] }, 'option steps[0].variables.A: must not contain a newline'],
    [{ steps: [steps.env({ 'A=b': '' })] }, 'option steps[0].variables.A=b: '],
    [{ steps: [steps.env({ '--x': '' })] }, 'option steps[0].variables.--x: '],
    [{ steps: [steps.env({})] }, 'option steps[0].variables: must have a variable at least'],
    [{ steps: [steps.copy([], '/')] }, 'option steps[0].sources: must be at least 1 items long'],
    [{ steps: [steps.copy('a', '/', { from: '$X' })] }, 'option steps[0].from: must be a word'],
    [{ steps: [steps.copy('a', '/', { chown: 'a\nb' })] }, 'option steps[0].chown: must not contain a newline'],
    [{ steps: [steps.expose(65_536)] }, 'option steps[0].ports[0]: must be at most 65535'],
    [{ steps: [steps.healthcheck('none', { retries: 1 })] }, "option steps[0]: 'none' has no options"],
    [{ steps: [steps.cmd('a\nb')] }, "option steps[0].command: can't be written as one line for a shell"],
  ])('%j', (options, message) => {
    expect(() => parseBuildOptions(options)).toThrow(message);
  });
});
