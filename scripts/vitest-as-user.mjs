// Runs tests as an ordinary user, whom root becomes for the time.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, pid } from 'node:process';
import { tsImport } from 'tsx/esm/api';
import { REPORT } from './reports.mjs';
import { root, run } from './shared.mjs';
import { bundleForTests } from './test-programs.mjs';

/** @type {typeof import('../test/fixtures/become-user.js')} */
const { throughUser } = await tsImport('../test/fixtures/become-user.ts', import.meta.url);

/** @type {typeof import('../test/fixtures/ordinary-user.js')} */
const { givingIds, USER } = await tsImport('../test/fixtures/ordinary-user.ts', import.meta.url);

const PROGRAMS = `build/test-programs-of-user-${pid}`;

/** Places where vitest may write, and one for temporary files beside the home: what is left there is told. */
const SCRATCH = `
mkdir -m 1777 /mnt/tmp
for folder in node_modules/.vite node_modules/.vite-temp node_modules/.vitest; do
  mkdir -p $folder
  mount -t tmpfs -o mode=777 none $folder
done
# a copy of what root's runs have transformed
kept=node_modules/.experimental-vitest-cache
mkdir -p $kept
cp -r $kept /mnt/transformed
chmod -R a+rwX /mnt/transformed
mount --bind /mnt/transformed $kept
`;

/** The script that gives this user subordinate ids, with files in a folder that is for all to read. */
export function withIds(folder) {
  chmodSync(folder, 0o755);
  return givingIds(folder, `${USER}:200000:65536`);
}

/**
 * @param args of vitest. A report goes to the place that is named in them
 * @param before a script that root runs first, in the mount namespace of the run; it is given a folder of its own
 * @param groups whether groups were handed over to the user
 */
export async function vitestAsUser(project, args, { before = () => '', groups = false } = {}) {
  await bundleForTests(PROGRAMS);
  const scratch = mkdtempSync(join(tmpdir(), 'nacelle-test-'));
  try {
    const target = args.find((arg) => arg.startsWith(REPORT))?.slice(REPORT.length);
    const report = join(scratch, 'report.json');
    writeFileSync(report, '', { mode: 0o666 });
    const others = args.filter((arg) => !arg.startsWith(REPORT));
    // the file is there already, and stays the same one: the user may write to it, and not to its folder
    const where = target === undefined ? [] : [`${REPORT}/mnt/report.json`];
    const bound = `install -m 666 /dev/null /mnt/report.json; mount --bind ${report} /mnt/report.json; chmod 666 ${report}`;
    const script = [SCRATCH, before(scratch), target === undefined ? '' : bound].join('\n');
    const vitest = [execPath, 'node_modules/vitest/vitest.mjs', 'run', '--project', project, ...others, ...where];
    const [command, ...words] = throughUser(script);
    const env = { NACELLE_TEST_AS_USER: groups ? 'with groups' : 'without groups', NACELLE_TEST_PROGRAMS: `${root}${PROGRAMS}` };
    const passed = run(command, [...words, 'env', 'TMPDIR=/mnt/tmp', ...vitest], { env });
    if (target !== undefined) writeFileSync(target, readFileSync(report));
    return passed;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    rmSync(`${root}${PROGRAMS}`, { recursive: true, force: true });
  }
}
