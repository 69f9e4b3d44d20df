import { InstructionProblem } from '../language/build-error.js';

/** What a mode becomes. */
export type ChangeMode = (mode: number, isFolder: boolean) => number;

const CLAUSE = /^([ugoa]*)((?:[-+=][rwxXst]*)+)$/;
const WHO: Readonly<Record<string, number>> = { u: 0o4700, g: 0o2070, o: 0o1007, a: 0o7777 };

/**
 * Reads `--chmod`: octal up to 07777, or symbolic as chmod(1): 'u=rwX,go=rX'.
 *
 * @throws InstructionProblem
 */
export function parseChmod(text: string): ChangeMode {
  if (/^[0-7]+$/.test(text)) {
    const mode = Number.parseInt(text, 8);
    if (mode <= 0o7777) return () => mode;
  }
  const clauses = text.split(',').map((clause) => CLAUSE.exec(clause));
  const parsed = clauses.flatMap((match) => (match ? [{ who: match[1] ?? '', actions: match[2] ?? '' }] : []));
  if (parsed.length < clauses.length)
    throw new InstructionProblem(`invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777, or symbolic`);
  return (mode, isFolder) => parsed.reduce((now, clause) => apply(now, clause, isFolder), mode);
}

/** The mode of folders that are made for a copy: that of an octal `--chmod`, as BuildKit has it. */
export function madeFolderMode(chmod: string): number {
  return /^[0-7]+$/.test(chmod) ? Number.parseInt(chmod, 8) : 0o755;
}

function apply(mode: number, { who, actions }: { who: string; actions: string }, isFolder: boolean): number {
  const mask = [...(who || 'a')].reduce((all, one) => all | (WHO[one] ?? 0), 0);
  let result = mode;
  for (const [, sign, letters = ''] of actions.matchAll(/([-+=])([rwxXst]*)/g)) {
    const bits = [...letters].reduce((all, letter) => all | bitsOf(letter, result, isFolder), 0) & mask;
    if (sign === '+') result |= bits;
    else if (sign === '-') result &= ~bits;
    // '=' leaves setuid and setgid of folders, as chmod(1) does
    else result = (result & ~(isFolder ? mask & 0o1777 : mask)) | bits;
  }
  return result;
}

function bitsOf(letter: string, mode: number, isFolder: boolean): number {
  switch (letter) {
    case 'r':
      return 0o444;
    case 'w':
      return 0o222;
    case 'x':
      return 0o111;
    case 'X':
      return isFolder || (mode & 0o111) !== 0 ? 0o111 : 0;
    case 's':
      return 0o6000;
    default:
      return 0o1000;
  }
}
