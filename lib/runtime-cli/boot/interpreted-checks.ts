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
  if (args.at(-2) === 'planner') return;
  Object.assign(scope, { [SETTINGS]: { jitless: true } });
}
