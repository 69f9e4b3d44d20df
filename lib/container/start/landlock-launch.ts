import { hostname as hostHostname, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { geteuid } from 'node:process';
import type { GroupPlan } from '../../cgroup/group-plan.js';
import { UnsupportedError } from '../../errors.js';
import { type GroupLayout, groupLayout } from '../../host/cgroup-base.js';
import { type HostRecord, writeRecord } from '../../host/journal.js';
import { landlockAbi } from '../../host/landlock-abi.js';
import { owner } from '../../host/owner.js';
import { withRecord } from '../../host/recorded.js';
import { now } from '../../native/clock.js';
import { ownerName, start } from '../../native/shim.js';
import { OWN_NAME } from '../../plan/constants.js';
import { newId } from '../../plan/id.js';
import { type Plan, Slots } from '../../plan/plan.js';
import { unlessAborted } from '../../process/abort.js';
import type { Encoding } from '../../process/options/process-types.js';
import { SIGTERM } from '../../process/options/signals.js';
import type { Program } from '../../process/program.js';
import { defaultProfile } from '../../security/default-profile.js';
import { landlockProfile, type Sockets } from '../../security/landlock-filter.js';
import { landlockGaps } from '../../security/landlock-gaps.js';
import { PORTS_ABI, TRUNCATE_ABI } from '../../security/landlock-rules.js';
import { ownArchitecture } from '../../security/own-architecture.js';
import { canKill, compileDefault, compileProfile } from '../../security/seccomp.js';
import type { ParsedOptions } from '../options/container-options.js';
import { planLandlock } from '../plan/landlock-plan.js';
import type { ProgramSpec } from '../plan/program-spec.js';
import { basesOf } from './container-group.js';
import type { ContainerRecord, LiveRecord } from './container-record.js';
import { planLandlockGroup } from './landlock-group.js';
import { defaultPaths, mountPaths } from './landlock-paths.js';
import { landlockOptions } from './landlock-record.js';
import { landlockUser } from './landlock-user.js';
import { abandon, factsOf, type Parts } from './launch.js';
import { argvOf, environment } from './program-facts.js';

/** What a plan needs beside the program's streams. Preparing it reads the host, and makes nothing on it. */
type Prepared = Omit<Parameters<typeof planLandlock>[0], 'streams' | 'journal' | 'park' | 'options'> & {
  readonly id: string;
  readonly options: ParsedOptions;
  readonly records: readonly HostRecord[];
  /** All but the plan. */
  readonly record: ContainerRecord;
};

/**
 * Makes a container of `isolation: 'landlock'` with its program, which then runs or, with `park`, waits just before execve. A failure leaves nothing
 * but the program's streams, which the caller closes.
 *
 * @throws as `Container.run`; the reason of `cancelSignal`
 */
export async function launchLandlock<E extends Encoding>(
  program: Program<E>,
  options: ParsedOptions,
  { park }: { readonly park: boolean },
): Promise<Parts<E>> {
  const { cancelSignal } = options.process;
  const prepared = await unlessAborted(
    cancelSignal,
    () => prepare(options),
    () => undefined,
  );
  const journal = prepared.records.length === 0 ? [] : writeRecord(ownerName(), prepared.id, prepared.records);
  return withRecord(journal, async () => {
    const streams = await program.open({ isConfined: true });
    const plan = planLandlock({ ...prepared, options: options.process, streams, journal, park });
    return launchPlanned(program, prepared, { plan, park });
  });
}

async function launchPlanned<E extends Encoding>(
  program: Program<E>,
  { slots, record, options }: Prepared,
  { plan, park }: { readonly plan: Plan; readonly park: boolean },
): Promise<Parts<E>> {
  const { cancelSignal } = options.process;
  const live: LiveRecord = { current: record };
  const task = await program.sent(factsOf(live), start(plan, slots.descriptors, cancelSignal));
  if (park && cancelSignal?.aborted) {
    await abandon(task);
    throw cancelSignal.reason;
  }
  program.connect(undefined);
  return {
    record: live,
    held: {
      program,
      task,
      slot: slots.take(),
      image: null,
      inside: null,
      insideSlots: null,
      keepsInside: false,
      networks: new Map(),
      changes: null,
      onDenied: null,
      isTidiedLater: false,
      release: () => undefined,
    },
  };
}

async function prepare(options: ParsedOptions): Promise<Prepared> {
  const abi = await landlockAbi();
  const sockets = socketsOf(options);
  if (sockets === 'tcp' && abi < PORTS_ABI)
    throw new UnsupportedError('tcpPorts', "this kernel's Landlock confines no ports", 'Use Linux 6.7 or later.');
  const account = landlockUser(options.process);
  const paths = [...defaultPaths(sockets), ...mountPaths(options.mounts)];
  const id = newId();
  const slots = new Slots();
  const layout = groupLayout();
  const place = { slots, layout, owner: await owner(layout), id, devices: [], park: false };
  const { group, guard, limits, notEnforced, records } = await planLandlockGroup(options, place, abi);
  const folder = options.readOnly ? null : join(resolve(tmpdir()), `${OWN_NAME}-run-${id}`);
  const hostname = hostHostname();
  const { cpuTimeLimit } = options.process;
  const { isRoot } = account;
  const argv = argvOf(options, {});
  const program: ProgramSpec = {
    env: environment(options, { env: folder === null ? {} : { HOME: folder, TMPDIR: folder } }, hostname),
    cwd: options.process.cwd ?? folder ?? '/',
    user: account.user ?? String(geteuid?.()),
    groupAdd: options.process.groupAdd ?? [],
    umask: options.process.umask,
    capabilities: 0n,
    noNewPrivileges: true,
    filter: compileDefault({ arch: ownArchitecture(), capabilities: 0n }),
    ulimits: limits.ulimits,
    scheduler: limits.scheduler,
    oomScoreAdj: options.oomScoreAdj,
  };
  const ports = sockets === 'host' ? null : (options.tcpPorts ?? { connect: [], bind: [] });
  const profile = landlockProfile({
    sockets,
    listens: ports !== null && ports.bind.length > 0,
    isRoot,
    confinesTruncate: abi >= TRUNCATE_ABI,
  });
  const own = compileProfile(profile, { arch: ownArchitecture(), capabilities: 0n });
  return {
    id,
    options,
    slots,
    abi,
    paths,
    ports,
    filters: [own, ...(program.filter === null ? [] : [program.filter])],
    folder,
    argv,
    program,
    user: account.user,
    group,
    guard,
    cpuClock: cpuTimeLimit === null || group === null ? null : group.cpuClock(cpuTimeLimit),
    records: [...(folder === null ? [] : [{ kind: 'tree', path: folder } as const]), ...records],
    record: {
      id,
      name: options.name,
      labels: options.labels,
      command: argv,
      image: null,
      createdAt: now(),
      limits,
      notEnforced: [...notEnforced, ...landlockGaps({ abi, sockets, isRoot, hasFolder: folder !== null })],
      devices: [],
      group: groupRecord(group, layout),
      mounts: options.mounts.map(({ type, source, target, flags }) => ({ type, name: null, source, target, readOnly: flags.has('ro') })),
      networks: [],
      links: null,
      ports: null,
      sharedNetworks: [],
      guarded: [],
      options: landlockOptions(options, { hostname, stopSignal: SIGTERM, sockets }),
      bundle: null,
      program,
      namespaces: { flags: 0, entersPid: false },
      userns: null,
      mayRefuseNull: false,
      processOne: false,
      filterKills: canKill(defaultProfile, ownArchitecture()),
      stopSignal: SIGTERM,
      restart: null,
      isRestartable: false,
      isChecked: false,
      copyOut: [],
      copyOutMax: options.copyOutMax,
      detached: null,
    },
  };
}

function socketsOf({ tcpPorts, namespaces }: ParsedOptions): Sockets {
  if (tcpPorts !== null) return 'tcp';
  return namespaces.net === 'host' ? 'host' : 'none';
}

function groupRecord(group: GroupPlan | null, layout: GroupLayout): ContainerRecord['group'] {
  if (group === null) return { name: '', paths: {}, usage: [], leaf: null, bases: {} };
  const { name, paths, usage } = group;
  return { name, paths, usage, leaf: null, bases: basesOf(layout) };
}
