import type { BundleProcess, Hook } from '../../oci-config/config-schema.js';
import type { Slot, Step } from '../../plan/steps.js';
import { hookName } from '../config/hook-name.js';
import { processEnvironment } from '../config/process-facts.js';
import type { BundleInput } from './bundle-input.js';

/** Hooks of the container's own process, which have nothing of the runtime's environment, and the state that they read. The timeout of a hook is in seconds, that of its step in ns. */
export function hookSteps(
  kind: 'createContainer' | 'startContainer',
  hooks: readonly Hook[] = [],
  input: Slot,
  { before, after }: BundleInput['states']['created'],
): { readonly describe: readonly Step[]; readonly run: readonly Step[] } {
  if (hooks.length === 0) return { describe: [], run: [] };
  return {
    describe: [{ op: 'describe_process', host: true, out: input, before: Buffer.from(before), after: Buffer.from(after) }],
    run: hooks.map(({ path, args, env = [], timeout = 0 }, index): Step => {
      return {
        op: 'run_named_hook',
        name: hookName(kind, index),
        path,
        argv: args.length === 0 ? [path] : args,
        env,
        input,
        timeout: timeout * 1e9,
      };
    }),
  };
}

/** Hooks without an environment of their own have that of the program, with its HOME, as runc's have. Pure. */
export function withEnvironment(hooks: readonly Hook[] = [], process: Pick<BundleProcess, 'env'>): readonly Hook[] {
  const env = processEnvironment(process);
  // the step puts the user's HOME in the place of an empty one: the container's files say which that is
  const own = env.some((entry) => entry.startsWith('HOME=')) ? env : [...env, 'HOME='];
  return hooks.map((hook) => (hook.env === undefined ? { ...hook, env: own } : hook));
}
