import type { Hook } from '../../oci-config/config-schema.js';
import type { Slot, Step } from '../../plan/steps.js';
import type { BundleInput } from './bundle-input.js';

/** Hooks of the container's own process, which have nothing of the runtime's environment, and the state that they read. The timeout of a hook is in seconds, that of its step in ns. */
export function hookSteps(
  hooks: readonly Hook[] = [],
  input: Slot,
  { before, after }: BundleInput['states']['created'],
): { readonly describe: readonly Step[]; readonly run: readonly Step[] } {
  if (hooks.length === 0) return { describe: [], run: [] };
  return {
    describe: [{ op: 'describe_process', host: true, out: input, before: Buffer.from(before), after: Buffer.from(after) }],
    run: hooks.map(({ path, args, env = [], timeout = 0 }): Step => {
      return { op: 'run_hook', path, argv: args.length === 0 ? [path] : args, env, input, timeout: timeout * 1e9 };
    }),
  };
}
