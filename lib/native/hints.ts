import { constants } from 'node:os';
import { geteuid } from 'node:process';
import { TOO_MANY_FILES } from '../errors.js';
import type { Op } from '../plan/steps.js';
import { Where } from './protocol.js';

const { EPERM, EACCES, ENOSPC, ENOENT, ENOSYS, ENODEV, EROFS, EINVAL, EMFILE, EADDRINUSE, ENFILE, ENOMEM, EOPNOTSUPP, EPROTONOSUPPORT } =
  constants.errno;

const inDocker =
  "In Docker or Kubernetes the outer container must allow it ('--privileged', or CAP_SYS_ADMIN with seccomp and AppArmor unconfined)";

const MASKED_PROC =
  'In a container whose /proc is masked no other can be mounted: run docker with --security-opt systempaths=unconfined, podman with --security-opt unmask=ALL, Kubernetes with procMount: Unmasked';

const MOVED = 'Where the host has just mounted or unmounted something there, try it again: without root its root is shown in parts';

const FAR_GROUP =
  "This user may not move a process from the group of this one to that of the container (cgroups(7), delegation): run under 'systemd-run --user --scope'";

const NEEDS_ROOT = 'It needs root, or CAP_SYS_ADMIN: run it with sudo for example';

/** What is known of a failure. */
interface Failed {
  readonly op: Op | null;
  readonly errno: number;
  readonly where: number;
  /** The step was tried with the rights of this process, in no user namespace of its own. */
  readonly isOwnUser: boolean;
}

/** What usually cures a failure, or `null` where the error says it all. */
export function hintFor({ op, errno, where, isOwnUser }: Failed): string | null {
  const hint = usualCure(op, errno, where);
  if (errno === EINVAL && geteuid?.() !== 0 && (op === 'clone_mount' || op === 'overlay')) return `${MOVED}. Else: ${hint}`;
  // on every machine this needs root, or CAP_SYS_ADMIN, so the usual cure is of no help
  return hint !== null && errno === EPERM && isOwnUser && geteuid?.() !== 0 && !ofGroups.has(op) ? NEEDS_ROOT : hint;
}

const ofGroups: ReadonlySet<Op | null> = new Set<Op>(['make_group', 'put', 'join_group', 'rlimit']);

function usualCure(op: Op | null, errno: number, where: number): string | null {
  if (op === 'serve_names') return forNames(errno);
  if (errno === EMFILE || errno === ENFILE) return TOO_MANY_FILES;
  if (where === Where.clone || op === 'clone' || op === 'unshare') return forClone(errno);
  switch (op) {
    case 'rlimit':
      return errno === EPERM ? 'Raising a hard limit needs CAP_SYS_RESOURCE' : null;
    case 'exec':
      return forExec(errno);
    case 'proc':
      return errno === EPERM ? MASKED_PROC : null;
    case 'overlay':
    case 'filesystem':
      return forMount(errno);
    case 'make_group':
    case 'put':
    case 'join_group':
      return errno === EACCES || errno === EPERM || errno === EROFS
        ? "The group's parent is not delegated to this user: run under 'systemd-run --user -p Delegate=yes', or as root"
        : null;
    case 'sethostname':
    case 'setdomainname':
    case 'attach':
    case 'attach_at':
    case 'pivot':
      return errno === EPERM ? inDocker : null;
    case 'idmap':
      return errno === EINVAL
        ? 'Owners can be mapped on ext4, xfs, btrfs and others, on a tmpfs since Linux 6.3, never on an overlay'
        : null;
    case 'netlink_socket':
      return errno === EPROTONOSUPPORT ? 'The kernel lacks this kind of netlink socket (modprobe nfnetlink)' : null;
    case 'netlink_batch':
      if (errno === EOPNOTSUPP) return 'The kernel lacks nftables, or a part of it (modprobe nf_tables, nf_conntrack_netlink)';
      // also an expression that no module brings: what else a change names is made before it, in the same batch
      if (errno === ENOENT) return 'The kernel lacks a part of nftables (modprobe nft_masq, nft_ct), or what a rule names is not there';
      return errno === EPERM
        ? 'The table belongs to another socket, or CAP_NET_ADMIN is missing in the user namespace that owns the network namespace'
        : null;
    case 'setns':
      return errno === EPERM ? 'In a user namespace of its own a container can join only what belongs to that user namespace' : null;
    case 'clone_mount':
      if (errno === EINVAL)
        return 'The path leads into another mount namespace, as /proc/PID/root does: nothing there can be bound; or, without root, it has mounts below it, which only root may leave out (recursive: false)';
      return errno === EPERM ? inDocker : null;
    default:
      return null;
  }
}

/** Why the names of containers can't be served at port 53. */
function forNames(errno: number): string | null {
  if (errno === EADDRINUSE)
    return 'A program in this network namespace listens at port 53 of all addresses: give the option dns, then names are asked for there';
  const inotify = 'inotify instances (sysctl fs.inotify.max_user_instances)';
  if (errno === EMFILE) return `Too many descriptors are open (ulimit -n), or too many ${inotify}`;
  return errno === ENOSPC ? 'Too many inotify watches: raise sysctl fs.inotify.max_user_watches' : null;
}

/** Why no process can be made in a new namespace, or no namespace. */
export function forClone(errno: number): string | null {
  if (errno === EPERM)
    return `${inDocker}; as another user than root, Ubuntu's AppArmor may forbid user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns)`;
  if (errno === ENOSPC) return 'A limit on namespaces is reached: see /proc/sys/user/max_*_namespaces, and 32 levels of nesting';
  if (errno === ENOMEM) return 'A pid namespace that is joined has ended with its process 1, or the machine is out of memory';
  if (errno === EACCES) return FAR_GROUP;
  if (errno === ENOSYS) return 'The kernel is too old (clone3 needs Linux 5.3), or an outer seccomp filter hides the call';
  return errno === EINVAL ? 'The kernel lacks one of the namespace types' : null;
}

function forExec(errno: number): string | null {
  if (errno === ENOENT) return 'The program, or the interpreter that its first line or ELF header names, is not in the container';
  if (errno === EACCES) return 'It is not executable for this user, or lies on a mount with noexec';
  return null;
}

function forMount(errno: number): string | null {
  if (errno === ENODEV) return 'The kernel lacks this file system (modprobe overlay)';
  if (errno === EPERM) return inDocker;
  return errno === EINVAL
    ? 'An overlay on an overlay may exceed the depth of two; a tmpfs or another file system as upper helps. Without root, no layer may have mounts below it'
    : null;
}
