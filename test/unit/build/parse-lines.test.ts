import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DockerfileProblem } from '../../../lib/build/language/build-error.js';
import { type Line, parseLines } from '../../../lib/build/language/parse-lines.js';

/** What BuildKit's own parser tests compare: a line as a list of words. */
function shown({ name, flags, words, child }: Line): string {
  const parts = [name, ...(flags.length > 0 ? [`[${flags.map((flag) => JSON.stringify(flag)).join(' ')}]`] : [])];
  return `(${[...parts, ...(child ? [shown(child)] : words.map((word) => JSON.stringify(word)))].join(' ')})`;
}

const lines = (text: string): string[] => parseLines(text).lines.map(shown);

describe('parseLines', () => {
  test.each<[string, string[]]>([
    ['FROM a', ['(from "a")']],
    ['\uFEFFFROM a', ['(from "a")']],
    ['  from \t a\tAS  b ', ['(from "a" "AS" "b")']],
    ['RUN a \\\n  b', ['(run "a   b")']],
    ['RUN a \\  \t\n# c\n\n b', ['(run "a  b")']],
    ['RUN a \\\\\nRUN b', ['(run "a \\\\\\\\")', '(run "b")']],
    ['RUN a \\', ['(run "a")']],
    ['# escape=`\nRUN a `\n b \\\nRUN c', ['(run "a  b \\\\")', '(run "c")']],
    ['#escape = `\n# escape=\\', []],
    ['# x\n# escape=`\nRUN a `\nRUN b', ['(run "a `")', '(run "b")']],
    ['RUN ["a", "b c"]', ['(run "a" "b c")']],
    ['RUN [ -e x ]', ['(run "[ -e x ]")']],
    ["CMD ['a']", ['(cmd "[\'a\']")']],
    ['CMD []', ['(cmd)']],
    ['CMD   [ "a\\u0041" ]  ', ['(cmd "aA")']],
    ['VOLUME a b', ['(volume "a" "b")']],
    ['VOLUME ["a b"]', ['(volume "a b")']],
    ['ENV a b c', ['(env "a" "b c" "")']],
    ['ENV a=b c="d e" f=g\\ h', ['(env "a" "b" "=" "c" "\\"d e\\"" "=" "f" "g\\\\ h" "=")']],
    ['LABEL "a b"=c', ['(label "\\"a b\\"" "c" "=")']],
    ['ARG a b=c', ['(arg "a" "b=c")']],
    ['COPY --from=x --chown="a b" -- --a /b', ['(copy ["--from=x" "--chown=a b"] "--a" "/b")']],
    ['RUN --mount=type=bind\\,x -- a', ['(run ["--mount=type=bind,x"] "a")']],
    ['RUN echo --x', ['(run "echo --x")']],
    ['ONBUILD RUN --network=none a', ['(onbuild (run ["--network=none"] "a"))']],
    ['HEALTHCHECK --interval=5s CMD  a  b', ['(healthcheck ["--interval=5s"] "CMD" "a  b")']],
    ['HEALTHCHECK NONE', ['(healthcheck "NONE")']],
    ['EXPOSE 80  81/udp', ['(expose "80" "81/udp")']],
    ['MAINTAINER  a b <c>', ['(maintainer "a b <c>")']],
    ['WHAT a', ['(what)']],
  ])('%j', (text, wanted) => {
    if (wanted.length > 0) expect(lines(text)).toEqual(wanted);
    else expect(() => lines(text)).toThrow(DockerfileProblem);
  });

  test.each<[string, string, number]>([
    ['', 'file with no instructions', 1],
    ['# a\n\n#b\n', 'file with no instructions', 3],
    ['FROM a\n\nENV b', 'ENV must have two arguments', 3],
    ['FROM a\nENV b=c d', 'can\'t find = in "d"', 2],
    ['CMD ["a", ["b"]]', 'comprised of strings only', 1],
    ['# escape=x\nFROM a', 'invalid escape token', 1],
    ['# escape=`\n# escape=`\nFROM a', 'only one escape', 2],
    ['FROM a\nRUN <<E\nb\n', 'unterminated heredoc', 2],
    [`FROM a\n#${'x'.repeat(70_000)}`, 'line greater than', 2],
  ])('refuses %#', (text, message, line) => {
    let thrown: unknown;
    try {
      parseLines(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(DockerfileProblem);
    expect(thrown).toMatchObject({ message: expect.stringContaining(message), lines: { start: line } });
  });

  test('tells the lines, the comments before them, and empty lines within', () => {
    const { lines: found, emptyContinuations } = parseLines('# syntax=x/dockerfile:1\n# one\n# two\nRUN a \\\n\n  b\n\nRUN c\n');
    expect(found.map(({ lines: place, comments }) => ({ place, comments }))).toEqual([
      { place: { start: 4, end: 6 }, comments: ['one', 'two'] },
      { place: { start: 8, end: 8 }, comments: [] },
    ]);
    expect(emptyContinuations.map(({ line }) => line)).toEqual([6]);
  });

  test.each<[string, object[]]>([
    ['RUN <<E\na\n\n#b\nE\n', [{ name: 'E', content: 'a\n\n#b\n', expand: true, chomp: false }]],
    ['RUN <<-"E"\n\ta\n\tE\n', [{ name: 'E', content: '\ta\n', expand: false, chomp: true }]],
    [
      'COPY <<a <<b /\n1\na\n2\nb\n',
      [
        { name: 'a', content: '1\n' },
        { name: 'b', content: '2\n' },
      ],
    ],
    ['RUN 3<<E cat\nx\r\nE\n', [{ name: 'E', content: 'x\r\n' }]],
    ['ONBUILD RUN <<E\nx\nE\n', [{ name: 'E', content: 'x\n' }]],
    ["RUN echo '<<E'", []],
    ['RUN echo "<<E"', []],
    ['RUN echo <<<E', []],
    ['RUN ["<<E"]', []],
    ['CMD <<E', []],
  ])('heredocs of %j', (text, wanted) => {
    const [line] = parseLines(text).lines;
    expect(line?.heredocs).toMatchObject(wanted);
    expect(line?.heredocs).toHaveLength(wanted.length);
  });

  test('property: JSON words come out as they went in, and whatever comes is lines or a problem', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), (words) => {
        expect(parseLines(`RUN ${JSON.stringify(words)}`).lines[0]).toMatchObject({ json: true, words });
      }),
    );
    const part = fc.constantFrom(
      'FROM',
      'RUN',
      'ONBUILD',
      'ENV',
      ' ',
      '\n',
      '\\',
      '#',
      '<<',
      '-',
      'E',
      '"',
      "'",
      '=',
      '[',
      ']',
      '--x',
      '\r',
      '\t',
      '`',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 40 }), (parts) => {
        try {
          parseLines(parts.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(DockerfileProblem);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
