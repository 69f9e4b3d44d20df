import type { BundleLinux } from '../../oci-config/config-schema.js';
import { CLONE } from '../../plan/constants.js';
import type { NamespaceType } from '../../plan/namespace-types.js';
import { cloneStep, NONE, REFUSE_DESCRIPTORS, type Stage } from '../../plan/plan.js';
import type { Slot, Step } from '../../plan/steps.js';
import { mapSteps } from '../../plan/user-maps.js';
import { resetAffinity } from './affinity-steps.js';
import type { BundleInput } from './bundle-input.js';
import { type bundleProgramSteps, enterBundlePid } from './bundle-process.js';

/** What the processes of a container do. */
export interface StageSteps {
  /** Where only root of the host may do it, and then until the program is confined. */
  readonly outside: readonly Step[];
  readonly inside: readonly Step[];
  /** The pid namespace that is joined; NONE: none is. */
  readonly pidns: Slot;
  readonly program: ReturnType<typeof bundleProgramSteps>;
  /** What is told of the program's process, where that is one in the joined namespace. */
  readonly ofProcess: readonly Step[];
  /** The slots that the program's process has while it waits. */
  readonly kept: readonly Slot[];
}

/**
 * In a user namespace there are no rights over what is joined, but for what that owns: so a first process joins, that of users last, and the second does all the
 * rest. In a pid namespace that is joined there are only children: so a second process enters it, when the first one has done all the rest, also in the user
 * namespace, which it enters by itself, since any child of it would be in the other one. Clocks are set before anybody is in a time namespace, which holds for
 * children alone, too (time_namespaces(7)).
 */
export function stagesOf(
  { slots, groups, maps, joined, console, config, filter }: BundleInput,
  { outside, inside, pidns, program, ofProcess, kept }: StageSteps,
  isNew: (type: NamespaceType) => boolean,
): Stage[] {
  const flags = (['user', 'uts', 'ipc', 'net', 'pid'] as const).reduce((all, type) => (isNew(type) ? all | CLONE[type] : all), 0);
  const clocks = isNew('time') ? clockSteps(config.linux?.timeOffsets) : [];
  const begin: Step[] = [{ op: 'umask', mask: 0 }, { op: 'dumpable', value: 0 }, ...groups.join, resetAffinity, ...outside, ...clocks];
  const born = groups.unified === undefined ? {} : { group: groups.unified };
  const users = joined.get('user');
  // a process that has a terminal or a listener to hand over refuses descriptors when it has done so
  const refuse = console !== null || filter?.listener ? [] : [REFUSE_DESCRIPTORS];
  const enterUsers: Step[] =
    users === undefined
      ? []
      : [
          { op: 'setns', ns: slots.give(users), type: 'user' },
          { op: 'dumpable', value: 0 },
        ];
  const ownMaps = maps === null || users !== undefined ? [] : mapSteps(maps.uid, maps.gid);
  if (pidns !== NONE) {
    const entering = enterBundlePid(program, { stage: 1, start: ofProcess });
    const enterPid: Step = { op: 'setns', ns: pidns, type: 'pid' };
    const joinAndSetUp: Step[] =
      maps === null
        ? [...inside, enterPid]
        : [enterPid, ...refuse, ...enterUsers, ...newUsers(isNew), ...ownMaps, { op: 'unshare', flags: flags & ~CLONE.user }, ...inside];
    return [
      { flags: maps === null ? flags : 0, ...born, steps: [...begin, ...joinAndSetUp, ...entering.outside] },
      { flags: 0, steps: entering.inside },
    ];
  }
  // whoever enters the container while the process waits finds nothing of the host's in it
  const forget = slots.all.filter((slot) => !kept.includes(slot)).map((slot): Step => ({ op: 'close', slot }));
  const all: Step[] = [...inside, ...program.confine, ...forget, ...program.run];
  if (maps === null && clocks.length === 0) return [{ flags, ...born, steps: [...begin, ...all] }];
  const second: Step[] = [{ op: 'dumpable', value: 0 }, ...ownMaps, ...all];
  return [
    { flags: 0, ...born, steps: [...begin, ...refuse, ...enterUsers, cloneStep(1, second)] },
    { flags, steps: second },
  ];
}

/** The user namespace of a process that enters it by itself. */
function newUsers(isNew: (type: NamespaceType) => boolean): Step[] {
  if (!isNew('user')) return [];
  return [
    { op: 'unshare', flags: CLONE.user },
    { op: 'dumpable', value: 0 },
  ];
}

function clockSteps(offsets: BundleLinux['timeOffsets'] = {}): Step[] {
  const lines = Object.entries(offsets).map(([clock, { secs = 0, nanosecs = 0 }]) => `${clock} ${secs} ${nanosecs}\n`);
  const bytes = Buffer.from(lines.join(''));
  return [
    { op: 'unshare', flags: CLONE.time },
    ...(lines.length === 0 ? [] : [{ op: 'write_process', host: true, path: 'timens_offsets', bytes } as const]),
  ];
}
