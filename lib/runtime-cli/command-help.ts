import type { FlagTable } from './command-line.js';

interface Words {
  readonly words: string;
  readonly what: string;
}

const ID = '<container-id>';

/** The commands as their help has them. */
const commandWords = {
  create: { words: ID, what: 'make a container, whose process waits for start' },
  delete: { words: ID, what: 'undo all that a container has' },
  events: { words: ID, what: 'tell what a container uses, and when memory runs out' },
  exec: { words: `${ID} <program> [<argument>…]`, what: 'run another program in a container' },
  features: { words: '', what: 'print what this runtime has, as JSON' },
  kill: { words: `${ID} [<signal>]`, what: "send a signal to a container's process, TERM without a name" },
  list: { words: '', what: 'list the containers of a root' },
  pause: { words: ID, what: 'have all processes of a container stand still' },
  ps: { words: `${ID} [<argument of ps>…]`, what: 'list the processes of a container' },
  resume: { words: ID, what: 'have the processes of a paused container go on' },
  run: { words: ID, what: 'make a container and start it' },
  spec: { words: '', what: 'write a config.json to begin with' },
  start: { words: ID, what: 'let the process of a container run its program' },
  state: { words: ID, what: 'print the state of a container, as JSON' },
  update: { words: ID, what: 'change the limits of a container' },
} as const satisfies Readonly<Record<string, Words>>;

export type CommandName = keyof typeof commandWords;

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commandWords, name);
}

/** Whether the words after a command ask for its help. */
export function asksForHelp([first]: readonly string[]): boolean {
  return first === '-h' || first === '-help' || first === '--help';
}

/** The help of a command, in the shape of runc's. Pure. */
export function commandHelp(name: CommandName, flags: FlagTable, short: Readonly<Record<string, string>> = {}): string {
  const { words, what } = commandWords[name];
  const shortOf = new Map(Object.entries(short).map(([letter, flag]) => [flag, letter]));
  const lines = Object.entries(flags).map(([flag, kind]) => {
    const letter = shortOf.get(flag);
    return `   --${flag}${letter === undefined ? '' : `, -${letter}`}${kind === 'switch' ? '' : ' value'}${kind === 'list' ? ' (may be given again)' : ''}`;
  });
  return [
    `NAME:\n   nacelle-oci ${name} - ${what}\n`,
    `USAGE:\n   nacelle-oci ${name} ${[...(lines.length === 0 ? [] : ['[flags]']), words].join(' ')}`.trimEnd(),
    ...(lines.length === 0 ? [] : [`\nOPTIONS:\n${lines.join('\n')}`]),
  ].join('\n');
}
