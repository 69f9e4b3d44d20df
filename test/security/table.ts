import type { Attack, Only, Trial, Unshown } from './attack.js';
import type { Elsewhere } from './elsewhere.js';

/** What was seen of an attack: what it said with the protection and without. */
export interface Seen {
  readonly on: string;
  /** `null` where that can't be shown. */
  readonly off: string | null;
}

const HEAD = `# Attacks, and what stops them

\`npm run test:security\` tries each of these in containers: as things are, where the attack has to fail, and with the protection away, where it
has to succeed, which shows that this protection is what stops it. Where nobody can see it succeed, the reason stands there.

Each is tried in containers of root's, and in those of an ordinary user, without a group, and with subordinate ids only where that makes a
difference, unless it says why not.

A test holds this page to the cases in \`test/security/cases\`, and writes it anew with \`npm run test:security -- -u\`.
`;

/** The cases as a page of the documentation. */
export function pageOf(groups: Readonly<Record<string, readonly Attack[]>>, elsewhere: readonly Elsewhere[]): string {
  const sections = Object.entries(groups).map(([title, attacks]) => {
    const rows = attacks.map(({ attack, source, protection, on, off, as }) => [
      attack,
      source,
      protection,
      tried(on),
      shown(off),
      whose(as),
    ]);
    return sectionOf(title, ['What somebody does', 'Known from', 'What stops that', 'Then', 'Without', 'Whose containers'], rows);
  });
  const others = elsewhere.map(({ attack, source, file, test }) => [attack, source, `\`${file}\`: ${test}`]);
  return `${HEAD}${sections.join('')}${sectionOf('Tried by other tests', ['What somebody does', 'Known from', 'In test/integration'], others)}`;
}

function sectionOf(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.map(escaped).join(' | ')} |`);
  return `\n## ${title}\n\n${lines.join('\n')}\n`;
}

/** What was seen, a line for each attack. */
export function linesOf(seen: ReadonlyMap<Attack, Seen>): string[] {
  const rows = [...seen].map(([{ attack, source, protection, off }, { on, off: without }]) => [
    source,
    attack,
    protection,
    `on: ${on}`,
    `off: ${without ?? ('why' in off ? off.why : '')}`,
  ]);
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, index) => Math.min(60, Math.max(all[index] ?? 0, cell.length))), []);
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function tried({ setting, says }: Trial): string {
  return setting === '' ? says : `${says} (\`${setting}\`)`;
}

function whose(as: Only | undefined): string {
  if (as === undefined) return 'root’s and a user’s';
  return as.callers === 'root' ? `root’s: ${as.why}` : `root’s, and a user’s with subordinate ids: ${as.why}`;
}

function shown(off: Trial | Unshown): string {
  return 'why' in off ? `not shown: ${off.why}` : tried(off);
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|');
}
