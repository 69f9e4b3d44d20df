import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { NacelleError } from '../../lib/index.js';
import type { CreateRequest } from '../../lib/runtime-cli/bundle-facts.js';
import { deleteContainer } from '../../lib/runtime-cli/change-container.js';
import { createContainer } from '../../lib/runtime-cli/create-container.js';
import { type ExecRequest, execInContainer } from '../../lib/runtime-cli/exec-container.js';
import { startContainer } from '../../lib/runtime-cli/start-container.js';
import type { StateFolder } from '../../lib/runtime-cli/state/container-state.js';
import { removeGroups } from '../fixtures/groups.js';
import { type BundleChange, bundleGroups, makeBundle } from '../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const folder = temporaryFolder();

/** A folder for the states of containers. */
export function statesFolder(): string {
  return join(mkdtempSync(join(folder, 'states-')), 'states');
}

/** Where a program in a bundle writes what it has to say: its standard streams are the runtime's own. */
const SAID = 'said';

/** A bundle whose program is a script of a shell, and may write to its root. */
export function bundleOf(script: string, change: BundleChange = () => undefined, links: Readonly<Record<string, string>> = {}): string {
  const bundle = makeBundle(folder, ['sh', '-c', `{ ${script}; } > /${SAID} 2>&1`], (config) => {
    config.root = { path: 'rootfs' };
    change(config);
  });
  for (const [path, target] of Object.entries(links)) {
    const place = join(bundle, 'rootfs', path);
    rmSync(place, { recursive: true, force: true });
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(target, place);
  }
  return bundle;
}

/** What the program of a bundle has said. */
export function saidIn(bundle: string): string {
  const path = join(bundle, 'rootfs', SAID);
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
}

/** While `use` runs, a bundle's container does, which the runtime made in this process: so its plans can be changed. */
export async function besideBundle<T>(
  bundle: string,
  use: (container: StateFolder, ended: Promise<unknown>) => Promise<T>,
  more: Partial<CreateRequest> = {},
): Promise<T> {
  const request = {
    root: statesFolder(),
    id: 'one',
    bundle,
    pidFile: null,
    consoleSocket: null,
    newKeyring: true,
    preservedFds: 0,
    ...more,
  };
  try {
    const { folder: container, task } = await createContainer(request, { isAttached: true });
    try {
      await startContainer(container);
      return await use(container, task.ended);
    } finally {
      await deleteContainer(container, { force: true });
      await task.ended;
    }
  } finally {
    await removeGroups(...bundleGroups());
  }
}

/** Runs a bundle to its end. @returns what its program says, or `refused: CODE` where no container is made of it */
export function bundleSays(bundle: string, more: Partial<CreateRequest> = {}): Promise<string> {
  return orRefused(() =>
    besideBundle(
      bundle,
      async (_, ended) => {
        await ended;
        return saidIn(bundle);
      },
      more,
    ),
  );
}

/** Runs a program in a container by `exec`. */
export function execIn(container: StateFolder, args: readonly string[], more: Partial<ExecRequest> = {}): Promise<number> {
  return execInContainer(container, {
    ...{ processFile: null, args, env: [], cwd: null, user: null, additionalGids: [], capabilities: [], noNewPrivileges: false },
    ...{ terminal: false, detach: false, pidFile: null, consoleSocket: null, ignorePaused: false, preservedFds: 0 },
    ...more,
  });
}

/** What comes of a call, or its error's code. What has no type is no answer. */
export async function orRefused(call: () => Promise<string>): Promise<string> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof NacelleError) return `refused: ${error.code}`;
    throw error;
  }
}
