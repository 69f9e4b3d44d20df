import { NacelleError, toError } from '../errors.js';
import { start } from '../native/shim.js';
import type { Hook, HookKind } from '../oci-config/config-schema.js';
import { planOf, Slots } from '../plan/plan.js';
import { execute } from '../process/execute.js';
import { normaliseProcess } from '../process/options/parsed-process.js';
import { noGroup } from '../process/program.js';
import { programSteps } from '../process/program-steps.js';
import { noLimits } from '../process/result.js';
import { planHostStreams } from '../process/streams/stream-steps.js';
import type { Caller } from './caller/caller.js';
import { hookName } from './config/hook-name.js';

/** Bytes of a hook's output that are kept, and characters that are told. */
const MOST_OUTPUT = 1024 * 1024;
const TOLD = 300;

/** What hooks have besides their own fields. */
export interface GivenToHooks {
  /** JSON, which each reads from its standard input. */
  readonly state: string;
  /** The environment of the runtime, which hooks have that name none. */
  readonly env: Caller['env'];
  /** The folder in which they begin: as with runc the bundle, while it is sure to be there. */
  readonly cwd: string;
}

/**
 * Runs the hooks of one kind, one after the other, in the runtime's own namespaces (config.md, "POSIX-platform Hooks").
 *
 * @throws NacelleError for the first that fails; those after it are not run
 */
export async function runHooks(kind: HookKind, hooks: readonly Hook[], given: GivenToHooks): Promise<void> {
  for (const [index, hook] of hooks.entries()) await runHook(whatOf(kind, index, hook), hook, given);
}

/** Runs all of them, whatever fails, as is asked of those that come after the end (runtime.md, "Lifecycle"). @returns what failed, in their order */
export async function runEachHook(kind: HookKind, hooks: readonly Hook[], given: GivenToHooks): Promise<Error[]> {
  const failures: Error[] = [];
  for (const [index, hook] of hooks.entries()) {
    try {
      await runHook(whatOf(kind, index, hook), hook, given);
    } catch (error) {
      failures.push(toError(error));
    }
  }
  return failures;
}

/** Callers match runc's words up to the colon, as in 'error running prestart hook #0: exit status 1', where the reason stands alone after it. */
function whatOf(kind: HookKind, index: number, { path }: Hook): string {
  return `error running ${hookName(kind, index)}: ${path}`;
}

/** The environment of the runtime, as `env` of config.json would have it. */
const environmentOf = (env: Caller['env']): string[] => Object.entries(env).map(([name, value]) => `${name}=${value ?? ''}`);

async function runHook(what: string, { path, args, env, timeout }: Hook, given: GivenToHooks): Promise<void> {
  const { state: input, env: callers, cwd } = given;
  const options = normaliseProcess({ input, cwd, maxBuffer: MOST_OUTPUT, ...(timeout === undefined ? {} : { timeout: timeout * 1000 }) });
  const command = args.length === 0 ? [path] : args;
  const result = await execute<'utf8'>(options, command, async (program) => {
    const slots = new Slots();
    const { ends } = await program.open({ isConfined: false });
    const streams = planHostStreams(ends, slots);
    const steps = programSteps({ options, command, env: env ?? environmentOf(callers), streams, user: null, givePipes: false });
    const plan = planOf({
      // argv[0] of a hook need not be its path
      stages: [{ flags: 0, steps: [...streams.open, ...steps.map((step) => (step.op === 'exec' ? { ...step, path } : step))] }],
      ...(options.timeout === null ? {} : { timeoutMs: options.timeout }),
    });
    const facts = { id: '', command, processOne: false, limits: noLimits, notEnforced: [], readGroup: noGroup };
    await program.sent(facts, start(plan, slots.descriptors, options.cancelSignal));
    program.begin();
    return program;
  });
  if (result.exitCode === 0) return;
  const said = result.stderr.trim().slice(0, TOLD);
  throw new NacelleError(`${what}: ${result.reason}${said === '' ? '' : `: ${said}`}`, { code: 'ERR_HOOK' });
}
