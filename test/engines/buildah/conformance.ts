import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A case of buildah's conformance tests. */
export interface ConformanceCase {
  readonly name: string;
  /** Relative to the context; `null`: Dockerfile. */
  readonly dockerfile: string | null;
  /** The Dockerfile's text, where the case has it and no file. */
  readonly text: string | null;
  /** What is copied into the context: a folder's content, or a file; `null`: nothing. */
  readonly context: string | null;
  readonly args: Readonly<Record<string, string>>;
  /** Why it can't be run unattended and offline. */
  readonly skipped: string | null;
}

const TABLE = 'var internalTestCases = []testCase{\n';
/** A literal of Go's: in quotes, or raw. */
const LITERAL = /"(?:\\.|[^"\\])*"|`[^`]*`/g;

/** Reads the cases of a checkout of buildah: a table in Go, which gofmt has laid out. */
export function conformanceCases(checkout: string, bases: readonly string[]): ConformanceCase[] {
  const folder = join(checkout, 'tests/conformance');
  const source = readFileSync(join(folder, 'conformance_test.go'), 'utf8');
  const from = source.indexOf(TABLE);
  if (from < 0) throw new Error(`${folder}: there is no table of cases`);
  const table = source.slice(from + TABLE.length, source.indexOf('\n}\n', from));
  return [...table.matchAll(/^\t\{\n(.*?)^\t\},$/gms)].map(([, text = '']) => {
    const one = { ...fields(text), skipped: null };
    return { ...one, skipped: obstacle(text, dockerfileOf(one, join(folder, 'testdata')), bases) };
  });
}

function fields(text: string): Omit<ConformanceCase, 'skipped'> {
  const word = (name: string): string | null => {
    const found = new RegExp(`^\\t\\t${name}: +(${LITERAL.source}),$`, 'm').exec(text)?.[1];
    return found === undefined ? null : literalValue(found);
  };
  const lines = /^\t\tdockerfileContents: strings\.Join\(\[\]string\{\n(.*?)^\t\t\}, "\\n"\),$/ms.exec(text)?.[1];
  const args = /^\t\tbuildArgs: +map\[string\]string\{(.*?)\},$/ms.exec(text)?.[1] ?? '';
  const words = literals(args);
  const [contextDir, dockerfile] = [word('contextDir'), word('dockerfile')];
  return {
    name: word('name') ?? '',
    dockerfile,
    text: lines === undefined ? null : literals(lines).join('\n'),
    context: contextDir ?? dockerfile,
    args: Object.fromEntries(words.flatMap((name, index) => (index % 2 === 0 ? [[name, words[index + 1] ?? '']] : []))),
  };
}

function literals(text: string): string[] {
  // a line that Go puts together is a comment of the Dockerfile
  return (text.match(LITERAL) ?? []).map((literal) => literalValue(literal));
}

function literalValue(literal: string): string {
  // what Go escapes there, JSON escapes alike
  return literal.startsWith('`') ? literal.slice(1, -1) : JSON.parse(literal);
}

/** The text of a case's Dockerfile; '' where it has none. */
export function dockerfileOf(
  { text, context, dockerfile }: Pick<ConformanceCase, 'text' | 'context' | 'dockerfile'>,
  data: string,
): string {
  if (text !== null) return text;
  const inFolder = join(data, context ?? '', dockerfile ?? 'Dockerfile');
  const path = existsSync(inFolder) ? inFolder : join(data, dockerfile ?? '');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

function obstacle(source: string, dockerfile: string, bases: readonly string[]): string | null {
  if (/^\t\ttweakContextDir:/m.test(source)) return 'its context is made by code';
  if (/^\t\ttransientMounts:/m.test(source)) return 'it mounts folders of the host';
  const images = [...dockerfile.matchAll(/^\s*FROM +(?:--\S+ +)*(\S+)/gim), ...dockerfile.matchAll(/(?:--|,)from=([^\s,]*[./:][^\s,]*)/g)];
  const other = images.map(([, name = '']) => name).find((name) => /[./]/.test(name) && !name.includes('$') && !bases.includes(name));
  if (other !== undefined) return `it needs the image ${other}`;
  if (/\b(?:apk|yum|dnf|apt-get) |^\s*ADD .*https?:/im.test(dockerfile)) return 'it needs a network';
  return null;
}
