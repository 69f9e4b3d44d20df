import { type Architecture, audits, doorsOf, x32Bit } from '../filter.js';
import { syscallTable } from '../syscalls/tables.js';

/** An argument that points to a text with a zero byte at its end, or to bytes, with the argument that has their size. */
type Pointer = number | { readonly at: number; readonly size: number };

const socketAddress = { at: 1, size: 2 };

/** What arguments of calls point to: paths, names and addresses. */
const pointers: readonly (readonly [names: string, ...(readonly Pointer[])])[] = [
  ['open creat stat stat64 lstat lstat64 access chdir mkdir rmdir unlink readlink chmod chown chown32 lchown lchown32 mknod', 0],
  ['truncate truncate64 statfs statfs64 utime utimes execve chroot acct swapon swapoff umount umount2 uselib oldstat oldlstat', 0],
  ['getxattr lgetxattr listxattr llistxattr memfd_create mq_open mq_unlink fsopen delete_module sethostname setdomainname', 0],
  ['openat openat2 open_tree open_tree_attr fspick mkdirat mknodat unlinkat readlinkat faccessat faccessat2 fchmodat fchmodat2', 1],
  ['fchownat futimesat utimensat utimensat_time64 newfstatat fstatat64 statx execveat name_to_handle_at inotify_add_watch', 1],
  ['mount_setattr setxattrat getxattrat listxattrat removexattrat quotactl finit_module init_module', 1],
  ['link symlink rename mount pivot_root add_key setxattr lsetxattr removexattr lremovexattr', 0, 1],
  ['linkat renameat renameat2 move_mount', 1, 3],
  ['symlinkat', 0, 2],
  ['fanotify_mark', 4],
  ['connect bind', socketAddress],
  ['sendto', { at: 4, size: 5 }],
];

/** `Look` of addon/shim/modes/denials.h. */
const LOOK_SIZE = 12;
const IS_TEXT = 0xff;

const made = new Map<Architecture, Uint8Array>();

/** What is read of a process whose call was refused, for each ABI of the machine. Not to be changed. */
export function looksOf(arch: Architecture): Uint8Array {
  const known = made.get(arch) ?? makeLooks(arch);
  made.set(arch, known);
  return known;
}

function makeLooks(arch: Architecture): Uint8Array {
  const rows = doorsOf[arch].flatMap((door) => {
    const abi = door === 'x32' ? 'x86_64' : door;
    const table = syscallTable(abi);
    return pointers.flatMap(([names, ...args]) =>
      names.split(' ').flatMap((name) =>
        (table.get(name) ?? []).flatMap((number) =>
          args.map((pointer) => ({
            arch: audits[abi],
            call: door === 'x32' ? number + x32Bit : number,
            argument: typeof pointer === 'number' ? pointer : pointer.at,
            size: typeof pointer === 'number' ? IS_TEXT : pointer.size,
          })),
        ),
      ),
    );
  });
  const bytes = new Uint8Array(rows.length * LOOK_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [index, { arch, call, argument, size }] of rows.entries()) {
    const at = index * LOOK_SIZE;
    view.setUint32(at, arch, true);
    view.setInt32(at + 4, call, true);
    view.setUint8(at + 8, argument);
    view.setUint8(at + 9, size);
  }
  return bytes;
}
