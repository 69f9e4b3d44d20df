import type { Sockets } from './landlock-filter.js';
import { SIGNALS_ABI } from './landlock-rules.js';

/** What decides how much is left open. */
export interface LandlockFacts {
  readonly abi: number;
  readonly sockets: Sockets;
  /** The program's user is root, for whom the filter refuses changes of modes and owners. */
  readonly isRoot: boolean;
  /** The run has a folder of its own. */
  readonly hasFolder: boolean;
}

type Gap = { readonly feature: string; readonly reason: string };

/** What a container of namespaces has, and a program under Landlock has not, each with what that means. Pure. */
export function landlockGaps({ abi, sockets, isRoot, hasFolder }: LandlockFacts): Gap[] {
  const signals =
    abi >= SIGNALS_ABI
      ? []
      : [gap('signals', 'the program can send signals to other processes of its user: the kernel confines them from Linux 6.12 on')];
  const metadata = isRoot
    ? []
    : [
        gap(
          'file attributes',
          "modes, owners, times and extended attributes of its user's files can be changed anywhere: Landlock has no right for them",
        ),
      ];
  const size = hasFolder ? [gap('folder size', "the run's own folder is on the host's disk, and has no limit of its own")] : [];
  return [
    gap('pid namespace', "the host's processes and their command lines are seen in /proc; their memory, environment and files are not"),
    gap('mnt namespace', 'paths are those of the host, and whether one exists, its size, times and owner are told of any of them'),
    gap('masked paths', 'files of /proc and /sys that a container hides can be read as its user may read them'),
    gap('net namespace', netReason(sockets)),
    gap('ipc namespace', 'the calls of System V IPC and of POSIX queues are refused in place of it'),
    gap('uts namespace', "the host's name is seen"),
    gap('user namespace', 'its user and groups are those of the host'),
    gap('cgroup namespace', "the host's groups are seen"),
    gap('scheduling', 'priorities and CPUs of other processes of its user can be changed, as that user may'),
    ...metadata,
    ...signals,
    ...size,
  ];
}

function netReason(sockets: Sockets): string {
  const seen = "the host's interfaces and connections are seen in /proc/net";
  if (sockets === 'none') return `${seen}; sockets are refused in place of it`;
  if (sockets === 'tcp') return `${seen}; the ports that are allowed are allowed at any address, the host's own too`;
  return `it has the host's network as it is, services on the loopback too`;
}

function gap(feature: string, reason: string): Gap {
  return { feature, reason };
}
