/** The commands that Node does as a rule, and the planner that stays. The others are rare, or done by the front. */
const WITH_OWN = ['create', 'run', 'exec', 'update', 'planner'];

/**
 * The file of the folder of all states that has what V8 has compiled of the command's file: no id of a container is such a name. V8 keeps what has run until
 * then, and loads all that was kept. So the usual commands have files of their own, and a `features` that comes first doesn't leave a `run` without its code. Pure.
 */
export function codeFileOf(name: string | null): string {
  return name !== null && WITH_OWN.includes(name) ? `@code-${name}` : '@code';
}
