import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspectGroups } from '../../lib/host/cgroup-base.js';
import type { Hierarchy } from '../../lib/host/cgroup-layout.js';
import { NotHere } from '../case.js';
import type { Subject } from '../measure.js';
import { runSpawned } from './spawn.js';

/** Runs of a new process that don't count: its pages are not there yet. */
const WARM_UP = 2;

/** The bare system calls of the same container, from a small C process: bench/floor.c. */
export function floor(rootfs: string): Subject {
  const folder = mkdtempSync(join(tmpdir(), 'nacelle-bench-floor-'));
  const program = join(folder, 'floor');
  const source = fileURLToPath(new URL('../floor.c', import.meta.url));
  execFileSync('cc', ['-O2', '-static', '-Wall', '-Wextra', '-Werror', '-o', program, source]);
  const groups = groupArguments();
  return {
    name: 'bench/floor.c',
    async run(count) {
      const lines = (await runSpawned(program, [rootfs, String(count + WARM_UP), ...groups])).trim().split('\n');
      return lines.slice(WARM_UP).map((line) => Number(line) / 1e6);
    },
    close: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The folders below which it makes its groups: where the library makes its own. */
function groupArguments(): string[] {
  const layout = inspectGroups();
  const base = (what: string, hierarchy: Hierarchy | null | undefined): string => {
    const found = hierarchy && layout.bases.get(hierarchy.mountPoint);
    if (!found?.path) throw new NotHere(`no group can be made for ${what}`);
    return found.path;
  };
  const unified = base('the unified tree', layout.unified);
  const memory = layout.controllers.get('memory');
  if (memory && memory === layout.unified) return ['v2', unified];
  return ['v1', ...['memory', 'cpuacct', 'pids', 'devices'].map((name) => base(name, layout.controllers.get(name))), unified];
}
