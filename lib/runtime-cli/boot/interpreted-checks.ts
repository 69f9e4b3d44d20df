/** Where zod has its settings, before and after it is loaded. */
const SETTINGS = '__zod_globalConfig';

/**
 * Has zod check config.json without making code for it first, which costs more than one check takes: a planner that stays checks many. To be called before
 * zod is loaded.
 *
 * @param args of the command line
 * @param scope where zod looks: the global object
 */
export function interpretChecks(args: readonly string[], scope: object): void {
  if (!isPlanner(args)) Object.assign(scope, { [SETTINGS]: { jitless: true } });
}

/** Whether the command is the planner that stays, which the front starts with the seconds as the last word. Pure. */
export function isPlanner(args: readonly string[]): boolean {
  return args.at(-2) === 'planner';
}
