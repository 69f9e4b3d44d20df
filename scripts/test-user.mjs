// Runs integration tests as an ordinary user with subordinate ids: without groups, then with groups that root handed over. What needs root is
// left out: npm test runs that. Arguments go to vitest; files among them run without groups, after --groups and those that need them with.
import { join } from 'node:path';
import { geteuid, pid } from 'node:process';
import { tsImport } from 'tsx/esm/api';
import { addingReport } from './reports.mjs';
import { skip } from './shared.mjs';
import { vitestAsUser, withIds } from './vitest-as-user.mjs';

/** @type {typeof import('../test/fixtures/delegated-groups.js')} */
const { groupsBelowOwn, handOver, joining, removeHandedOver } = await tsImport('../test/fixtures/delegated-groups.ts', import.meta.url);

const files = (folder, ...names) => names.map((name) => join('test/integration', folder, `${name}.test.ts`));
const container = (...names) => files('container', ...names);

/** Those whose tests `requires` containers, whosever these are, but for those of a build that tell what TypeScript decides for every user. */
const FILES = [
  ...container('basics', 'copy', 'exec-refused', 'exec-streams', 'execution', 'filesystem', 'links', 'lifecycle'),
  ...container(
    'network',
    'results',
    'run-events',
    'pool',
    'pool-run',
    'pool-networks',
    'parked-networks',
    'streams',
    'connect-terminal',
    'copy-files',
    'copy-paths',
    'hostile-image',
    'connect',
    'host-ports',
  ),
  ...container('links-between-mounts', 'mounts', 'pump', 'removal', 'seccomp-profile', 'security', 'tty-many'),
  ...files('.', 'rootless-networks', 'rootless-ports'),
  ...files('volume', 'below-mounts', 'image-mount', 'in-containers', 'volume'),
  ...files('.', 'build', 'build-add', 'build-cache', 'build-contexts', 'build-fetch', 'build-many-files'),
  ...files('.', 'build-git', 'build-limits', 'build-mounts', 'build-output', 'build-platforms', 'build-secrets', 'build-stages'),
];
/** Those whose tests `requires` groups as well. */
const WITH_GROUPS = [
  ...container('cancel', 'causes', 'denials', 'ended', 'exec', 'exec-attacks', 'exec-paused', 'exec-tree', 'group-add', 'health'),
  ...container('hostile-program', 'inspect', 'limits', 'memory', 'namespaces', 'own-events', 'record', 'refused', 'regressions'),
  ...container('restart', 'tty', 'undo', 'untrusted', 'update', 'wait-for', 'ways-out'),
  ...files('detached', 'detached', 'events', 'half-made', 'health-events', 'log-content', 'logs', 'lying-shim', 'note', 'spare-shim'),
  ...files('detached', 'connect', 'stdin', 'terminal', 'two-handles'),
  ...files('image', 'commit', 'mount', 'names', 'prune'),
  ...files('.', 'bundled', 'host-work', 'namespace', 'workers', 'wrong-side'),
];

async function asUser(args, groups = []) {
  try {
    for (const folder of groups) handOver(folder);
    const before = (folder) => [withIds(folder), joining(groups)].join('\n');
    return await vitestAsUser('integration', args, { before, groups: groups.length > 0 });
  } finally {
    await removeHandedOver(groups);
  }
}

/** The arguments of both runs; `null` for one that wasn't asked for. */
function wanted(args) {
  const split = args.indexOf('--groups');
  const [plain, grouped] = split === -1 ? [args, []] : [args.slice(0, split), args.slice(split + 1)];
  const isFile = (arg) => arg.startsWith('test/');
  if (![...plain, ...grouped].some(isFile))
    return [
      [...plain, ...FILES],
      [...plain, ...grouped, ...WITH_GROUPS],
    ];
  const options = plain.filter((arg) => !isFile(arg));
  const needing = plain.filter((arg) => WITH_GROUPS.includes(arg));
  const others = plain.filter((arg) => !WITH_GROUPS.includes(arg));
  const withGroups = [...grouped, ...needing];
  return [others.some(isFile) ? others : null, withGroups.some(isFile) ? [...options, ...withGroups] : null];
}

async function main() {
  if (geteuid() !== 0) return skip('test:user', 'needs root, to become another user');
  const [plain, grouped] = wanted(process.argv.slice(2));
  const passed = plain === null || (await asUser(plain));
  if (grouped === null) return passed;
  console.log('--- with groups');
  const work = (args) => asUser(args, groupsBelowOwn(`nacelle-test-user-${pid}`));
  return (await (plain === null ? work(grouped) : addingReport(grouped, work))) && passed;
}

process.exitCode = (await main()) ? 0 : 1;
