import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveCapabilities } from '../../lib/security/capabilities.js';
import { compiledProfile } from '../../lib/security/oci-profile/compiled-profile.js';
import { readProfile } from '../../lib/security/oci-profile/read-profile.js';
import { ownArchitecture } from '../../lib/security/own-architecture.js';
import { compileDefault } from '../../lib/security/seccomp.js';
import { type Case, type Context, effort, NotHere } from '../case.js';
import { interleave, type Subject, type Summary } from '../measure.js';
import { compiled } from '../peers/compiled.js';
import { byLibseccomp } from '../peers/libseccomp.js';
import type { Line } from '../table.js';

/** docker's profile, but for a few calls: the package golang-github-containers-common has it. */
const PROFILE = '/usr/share/containers/seccomp.json';
const KERNEL = '6.1';

interface Filters {
  readonly ours: ReadonlyMap<string, Uint8Array>;
  readonly theirs: ReadonlyMap<string, Uint8Array>;
}

async function filters(folder: string): Promise<Filters> {
  if (!existsSync(PROFILE)) throw new NotHere(`there is no ${PROFILE}`);
  const capabilities = resolveCapabilities({ capAdd: [], capDrop: [], held: 2n ** 41n - 1n });
  const subject = { arch: ownArchitecture(), capabilities };
  const profile = await readProfile(PROFILE);
  return {
    ours: new Map([
      ['the default', compileDefault(subject)],
      ["podman's profile", compiledProfile(profile, { ...subject, kernel: KERNEL }).filter],
    ]),
    theirs: new Map([
      ['the same by libseccomp', byLibseccomp(folder, profile, { ...subject, kernel: KERNEL, level: 1 })],
      ['the same, optimised', byLibseccomp(folder, profile, { ...subject, kernel: KERNEL, level: 2 })],
    ]),
  };
}

/** Each of our filters against podman's profile as libseccomp compiles it, by itself and with SCMP_FLTATR_CTL_OPTIMIZE 2, as runc has it. */
async function measure(context: Context, kind: 'load' | 'calls'): Promise<Line[]> {
  const folder = mkdtempSync(join(tmpdir(), 'nacelle-bench-filters-'));
  const subjects: Subject[] = [];
  try {
    const { ours, theirs } = await filters(folder);
    const names = [...ours.keys(), ...theirs.keys()];
    for (const [name, filter] of [...ours, ...theirs]) {
      const file = join(folder, name);
      writeFileSync(file, filter);
      subjects.push(compiled('filter', (count) => [kind, file, count]));
    }
    const summaries = await interleave(subjects, effort(context, { rounds: 40, batch: 25 }, { rounds: 10, batch: 10 }));
    const measured = new Map(names.map((name, index) => [name, summaries[index]]));
    return [...ours.keys()].flatMap((name) => [...theirs.keys()].map((other) => row({ kind, name, other, measured })));
  } finally {
    for (const { close } of subjects) await close?.();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Pair {
  readonly kind: 'load' | 'calls';
  readonly name: string;
  readonly other: string;
  readonly measured: ReadonlyMap<string, Summary | undefined>;
}

function row({ kind, name, other, measured }: Pair): Line {
  const [ours, theirs] = [measured.get(name), measured.get(other)];
  if (!ours || !theirs) throw new Error('nothing was measured');
  const what = kind === 'load' ? `load ${name}` : `20,000 calls by ${name}`;
  const target = { bound: 'at most', value: 1 } as const;
  return { what, unit: 'ms', measured: ours, against: { name: other, measured: theirs }, compare: 'ratio', target };
}

export const filterLoad: Case = { name: 'filter-load', measure: (context) => measure(context, 'load') };
export const filterCalls: Case = { name: 'filter-calls', measure: (context) => measure(context, 'calls') };
