import type { CheckedRun } from './container-schema.js';

type Wrong = (option: keyof CheckedRun, message: string, ...path: string[]) => void;

const NEEDS = 'needs detach: without it the container ends, and is removed, with this process';
const STREAM = "must be 'pipe' or 'ignore' with detach: ";

/** What a container that outlives this process can't have, for it would go with this process. */
export function checkDetach(options: CheckedRun, wrong: Wrong): void {
  if (!options.detach) {
    if (options.autoRemove) wrong('autoRemove', NEEDS);
    if (options.logging) wrong('logging', NEEDS);
    return;
  }
  for (const name of ['input', 'maxBuffer', 'reject'] as const) {
    if (options[name] !== undefined) wrong(name, "can't go with detach: the container outlives this call");
  }
  if (options.tty && options.stdout?.every(({ type }) => type === 'ignore'))
    wrong('stdout', "must be 'pipe' with tty and detach: a terminal that nobody reads holds its program up, so the log reads it");
  for (const name of ['stdin', 'stdout', 'stderr'] as const) {
    const isKept = options[name]?.every(({ type }) => type === 'pipe' || type === 'ignore') ?? true;
    if (!isKept) wrong(name, `${STREAM}${name === 'stdin' ? 'others write to it later' : 'the output goes to the log'}`);
  }
  for (const name of ['cgroup', 'cgroupParent', 'rootfs'] as const) if (isOwned(options[name])) wrong(name, owned);
  for (const [type, value] of Object.entries(options.namespaces ?? {})) if (isOwned(value)) wrong('namespaces', owned, type);
  if (isOwned(options.network)) wrong('network', owned);
}

const owned = "can't be this process's own with detach: give what persists";

/** Whether a handle is of something that ends with this process. */
function isOwned(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Reflect.get(value, 'isOwned') === true;
}
