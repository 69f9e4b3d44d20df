// Generated from addon/shim/steps/steps.def by scripts/generate.mjs. Change that file, not this one.

/** A numbered file descriptor of a plan; -1 is none. */
export type Slot = number;

export type FieldKind = 'SLOT' | 'OUT' | 'NUM' | 'STR' | 'BYTES' | 'LIST' | 'SLOTS' | 'STEPS';

/** A step of a plan: a serialised system call. `host: true` has the shim run it instead of the child. */
export type Step =
  | { readonly op: 'open'; readonly host?: boolean; readonly out?: Slot; readonly at: Slot; readonly path: string; readonly flags: number | bigint; readonly mode: number | bigint; }
  | { readonly op: 'open_in_root'; readonly host?: boolean; readonly out?: Slot; readonly root: Slot; readonly path: string; readonly flags: number | bigint; }
  | { readonly op: 'open_null'; readonly host?: boolean; readonly out?: Slot; readonly dev: Slot; readonly flags: number | bigint; }
  | { readonly op: 'reopen'; readonly host?: never; readonly out?: Slot; readonly slot: Slot; readonly path: string; readonly flags: number | bigint; }
  | { readonly op: 'close'; readonly host?: boolean; readonly slot: Slot; }
  | { readonly op: 'close_from'; readonly host: true; readonly first: number | bigint; }
  | { readonly op: 'give'; readonly host?: never; readonly slot: Slot; }
  | { readonly op: 'refuse_descriptors'; readonly host: true; }
  | { readonly op: 'chown'; readonly host?: never; readonly slot: Slot; }
  | { readonly op: 'chown_to'; readonly host?: boolean; readonly slot: Slot; readonly uid: number | bigint; readonly gid: number | bigint; }
  | { readonly op: 'read'; readonly host: true; readonly at: Slot; readonly path: string; readonly max: number | bigint; }
  | { readonly op: 'require_inode'; readonly host: true; readonly slot: Slot; readonly path: string; readonly inode: number | bigint; }
  | { readonly op: 'keep_steps'; readonly host: true; readonly key: number | bigint; readonly steps: readonly Step[]; }
  | { readonly op: 'run_steps'; readonly host: true; readonly first: number | bigint; readonly last: number | bigint; readonly steps: readonly Step[]; }
  | { readonly op: 'require_procfs'; readonly host?: boolean; readonly slot: Slot; }
  | { readonly op: 'go_on'; readonly host: true; }
  | { readonly op: 'setns'; readonly host?: never; readonly ns: Slot; readonly type: string; }
  | { readonly op: 'unshare'; readonly host?: never; readonly flags: number | bigint; }
  | { readonly op: 'open_namespace'; readonly host: true; readonly out?: Slot; readonly type: string; }
  | { readonly op: 'open_process'; readonly host: true; readonly out?: Slot; }
  | { readonly op: 'require_running'; readonly host: true; readonly process: Slot; }
  | { readonly op: 'join_process'; readonly host?: never; readonly process: Slot; readonly flags: number | bigint; }
  | { readonly op: 'write_process'; readonly host: true; readonly path: string; readonly bytes: Uint8Array; }
  | { readonly op: 'clone'; readonly host?: never; readonly stage: number | bigint; readonly keep: readonly Slot[]; }
  | { readonly op: 'filesystem'; readonly host?: boolean; readonly out?: Slot; readonly type: string; readonly options: readonly string[]; readonly attributes: number | bigint; }
  | { readonly op: 'proc'; readonly host?: boolean; readonly out?: Slot; readonly pidns: Slot; readonly attributes: number | bigint; }
  | { readonly op: 'overlay'; readonly host?: boolean; readonly out?: Slot; readonly lower: readonly Slot[]; readonly upper: Slot; readonly work: Slot; readonly options: readonly string[]; readonly attributes: number | bigint; }
  | { readonly op: 'clone_mount'; readonly host?: boolean; readonly out?: Slot; readonly at: Slot; readonly path: string; readonly recursive: number | bigint; }
  | { readonly op: 'clone_mount_in'; readonly host: true; readonly out?: Slot; readonly ns: Slot; readonly path: string; readonly recursive: number | bigint; }
  | { readonly op: 'clone_mount_of'; readonly host?: never; readonly out?: Slot; readonly mount: Slot; readonly ns: Slot; }
  | { readonly op: 'set_mount'; readonly host?: boolean; readonly mount: Slot; readonly recursive: number | bigint; readonly set: number | bigint; readonly clear: number | bigint; readonly propagation: number | bigint; }
  | { readonly op: 'idmap'; readonly host?: boolean; readonly mount: Slot; readonly users: Slot; readonly path: string; readonly recursive: number | bigint; }
  | { readonly op: 'set_propagation'; readonly host?: never; readonly path: string; readonly propagation: number | bigint; }
  | { readonly op: 'attach'; readonly host?: boolean; readonly mount: Slot; readonly root: Slot; readonly path: string; readonly create: number | bigint; readonly on: readonly Slot[]; readonly mounts: readonly Slot[]; }
  | { readonly op: 'attach_at'; readonly host?: boolean; readonly mount: Slot; readonly at: Slot; readonly path: string; }
  | { readonly op: 'share_folder'; readonly host: true; readonly path: string; }
  | { readonly op: 'require_mount'; readonly host?: boolean; readonly root: Slot; readonly path: string; readonly mount: Slot; }
  | { readonly op: 'detach'; readonly host?: boolean; readonly at: Slot; readonly path: string; }
  | { readonly op: 'pivot'; readonly host?: never; readonly root: Slot; readonly between: number | bigint; }
  | { readonly op: 'enter_root'; readonly host?: never; readonly root: Slot; }
  | { readonly op: 'enter_folder'; readonly host?: never; readonly folder: Slot; }
  | { readonly op: 'change_root'; readonly host?: never; readonly root: Slot; }
  | { readonly op: 'mask'; readonly host?: boolean; readonly roots: readonly Slot[]; readonly paths: readonly string[]; readonly file: Slot; readonly folder: Slot; }
  | { readonly op: 'readonly'; readonly host?: boolean; readonly roots: readonly Slot[]; readonly paths: readonly string[]; }
  | { readonly op: 'mkdir'; readonly host?: boolean; readonly out?: Slot; readonly root: Slot; readonly path: string; readonly mode: number | bigint; readonly uid: number | bigint; readonly gid: number | bigint; }
  | { readonly op: 'symlink'; readonly host?: boolean; readonly root: Slot; readonly path: string; readonly target: string; }
  | { readonly op: 'mknod'; readonly host?: boolean; readonly root: Slot; readonly path: string; readonly mode: number | bigint; readonly major: number | bigint; readonly minor: number | bigint; readonly uid: number | bigint; readonly gid: number | bigint; }
  | { readonly op: 'mknod_on'; readonly host?: boolean; readonly root: Slot; readonly path: string; readonly mode: number | bigint; readonly major: number | bigint; readonly minor: number | bigint; readonly uid: number | bigint; readonly gid: number | bigint; readonly on: readonly Slot[]; readonly mounts: readonly Slot[]; }
  | { readonly op: 'write_file'; readonly host?: boolean; readonly root: Slot; readonly path: string; readonly bytes: Uint8Array; readonly mode: number | bigint; readonly uid: number | bigint; readonly gid: number | bigint; readonly on: readonly Slot[]; readonly mounts: readonly Slot[]; }
  | { readonly op: 'copy_in'; readonly host?: boolean; readonly source: Slot; readonly root: Slot; readonly path: string; readonly mode: number | bigint; readonly uid: number | bigint; readonly gid: number | bigint; readonly on: readonly Slot[]; readonly mounts: readonly Slot[]; }
  | { readonly op: 'copy_out'; readonly host?: never; readonly root: Slot; readonly paths: readonly string[]; readonly to: Slot; readonly max: number | bigint; }
  | { readonly op: 'covering_tmpfs'; readonly host?: never; readonly out?: Slot; readonly root: Slot; readonly path: string; readonly options: readonly string[]; readonly attributes: number | bigint; }
  | { readonly op: 'copy_covered'; readonly host?: never; readonly root: Slot; readonly path: string; readonly to: Slot; }
  | { readonly op: 'set_xattr'; readonly host?: boolean; readonly root: Slot; readonly path: string; readonly name: string; readonly value: Uint8Array; }
  | { readonly op: 'make_group'; readonly host?: boolean; readonly out?: Slot; readonly at: Slot; readonly path: string; }
  | { readonly op: 'inherit_cpuset'; readonly host: true; readonly at: Slot; readonly path: string; }
  | { readonly op: 'inherit_cpusets'; readonly host: true; readonly path: string; readonly most: number | bigint; }
  | { readonly op: 'release_real_time'; readonly host: true; readonly at: Slot; readonly path: string; }
  | { readonly op: 'remove_group'; readonly host?: boolean; readonly at: Slot; readonly path: string; }
  | { readonly op: 'remove_folder'; readonly host?: boolean; readonly at: Slot; readonly path: string; readonly wait: number | bigint; }
  | { readonly op: 'kill_group'; readonly host?: boolean; readonly at: Slot; readonly path: string; }
  | { readonly op: 'put'; readonly host?: boolean; readonly at: Slot; readonly path: string; readonly bytes: Uint8Array; }
  | { readonly op: 'put_file'; readonly host?: boolean; readonly at: Slot; readonly path: string; readonly bytes: Uint8Array; }
  | { readonly op: 'link'; readonly host: true; readonly target: string; readonly path: string; }
  | { readonly op: 'rename'; readonly host: true; readonly path: string; readonly target: string; }
  | { readonly op: 'unlink'; readonly host?: boolean; readonly at: Slot; readonly path: string; }
  | { readonly op: 'unlink_if'; readonly host: true; readonly at: Slot; readonly path: string; readonly bytes: Uint8Array; }
  | { readonly op: 'forget'; readonly host: true; readonly path: string; }
  | { readonly op: 'remove_tree'; readonly host?: boolean; readonly at: Slot; readonly path: string; }
  | { readonly op: 'join_group'; readonly host?: never; readonly group: Slot; readonly file: string; }
  | { readonly op: 'join_above'; readonly host?: never; readonly path: string; readonly floor: number | bigint; }
  | { readonly op: 'allow_device'; readonly host: true; readonly group: Slot; readonly device: string; readonly access: string; }
  | { readonly op: 'allow_devices'; readonly host: true; readonly group: Slot; readonly devices: readonly string[]; }
  | { readonly op: 'load_device_filter'; readonly host: true; readonly out?: Slot; readonly program: Uint8Array; }
  | { readonly op: 'attach_device_filter'; readonly host: true; readonly group: Slot; readonly program: Slot; }
  | { readonly op: 'lock'; readonly host: true; readonly out?: Slot; readonly at: Slot; readonly path: string; }
  | { readonly op: 'networks_in'; readonly host: true; readonly folder: string; readonly path: string; readonly inode: number | bigint; }
  | { readonly op: 'netlink_socket'; readonly host?: boolean; readonly out?: Slot; readonly ns: Slot; readonly protocol: number | bigint; }
  | { readonly op: 'netlink'; readonly host: true; readonly socket: Slot; readonly what: string; readonly message: Uint8Array; readonly patch: Slot; readonly patch_offset: number | bigint; }
  | { readonly op: 'netlink_list'; readonly host: true; readonly socket: Slot; readonly what: string; readonly message: Uint8Array; readonly having: Uint8Array; readonly most: number | bigint; }
  | { readonly op: 'netlink_batch'; readonly host: true; readonly socket: Slot; readonly what: string; readonly names: readonly string[]; readonly messages: Uint8Array; }
  | { readonly op: 'remove_links'; readonly host: true; readonly socket: Slot; readonly group: number | bigint; }
  | { readonly op: 'remove_link'; readonly host: true; readonly socket: Slot; readonly index: number | bigint; readonly name: string; readonly required: number | bigint; }
  | { readonly op: 'leave_bridge'; readonly host: true; readonly socket: Slot; readonly group: number | bigint; readonly uses: string; readonly lock: string; }
  | { readonly op: 'serve_names'; readonly host: true; readonly ns: Slot; readonly forwards: number | bigint; readonly networks: readonly string[]; readonly folder: string; }
  | { readonly op: 'serve_peers'; readonly host: true; readonly ns: Slot; readonly networks: readonly string[]; readonly folder: string; }
  | { readonly op: 'put_member'; readonly host: true; readonly folder: string; readonly name: string; readonly bytes: Uint8Array; }
  | { readonly op: 'change_names'; readonly host: true; readonly forwards: number | bigint; readonly networks: readonly string[]; }
  | { readonly op: 'stop_names'; readonly host: true; }
  | { readonly op: 'relay_ports'; readonly host: true; readonly ns: Slot; readonly at: string; readonly ports: readonly string[]; readonly to: readonly string[]; }
  | { readonly op: 'serve_egress'; readonly host: true; readonly ns: Slot; readonly at: readonly string[]; readonly port: number | bigint; readonly peers: number | bigint; readonly rules: readonly string[]; }
  | { readonly op: 'change_egress'; readonly host: true; readonly rules: readonly string[]; }
  | { readonly op: 'end_egress'; readonly host: true; }
  | { readonly op: 'stop_relay'; readonly host: true; }
  | { readonly op: 'start_pasta'; readonly host: true; readonly out?: Slot; readonly ns: Slot; readonly path: string; readonly arguments: readonly string[]; }
  | { readonly op: 'await_pasta'; readonly host?: never; readonly said: Slot; readonly path: string; }
  | { readonly op: 'keep_pasta'; readonly host: true; }
  | { readonly op: 'stop_pasta'; readonly host: true; }
  | { readonly op: 'leave_settings'; readonly host: true; readonly folder: string; readonly saved: readonly string[]; readonly settings: readonly string[]; }
  | { readonly op: 'link_up'; readonly host?: never; readonly name: string; }
  | { readonly op: 'sysctls_in'; readonly host: true; readonly ns: Slot; readonly paths: readonly string[]; readonly value: string; }
  | { readonly op: 'tcp_socket'; readonly host: true; readonly out?: Slot; readonly ns: Slot; readonly family: number | bigint; }
  | { readonly op: 'hold_port'; readonly host: true; readonly out?: Slot; readonly what: string; readonly type: number | bigint; readonly address: Uint8Array; readonly port: number | bigint; }
  | { readonly op: 'hold_open_port'; readonly host: true; readonly out?: Slot; readonly what: string; readonly type: number | bigint; readonly address: Uint8Array; readonly port: number | bigint; readonly loopback: number | bigint; }
  | { readonly op: 'relay_port'; readonly host: true; readonly socket: Slot; readonly to: string; readonly port: number | bigint; }
  | { readonly op: 'relay_port_inside'; readonly host: true; readonly socket: Slot; readonly to: string; readonly port: number | bigint; }
  | { readonly op: 'stop_ports'; readonly host: true; readonly first: number | bigint; readonly last: number | bigint; }
  | { readonly op: 'sethostname'; readonly host?: never; readonly name: string; }
  | { readonly op: 'setdomainname'; readonly host?: never; readonly name: string; }
  | { readonly op: 'sysctl'; readonly host?: never; readonly proc: Slot; readonly path: string; readonly value: string; }
  | { readonly op: 'rlimit'; readonly host?: never; readonly name: string; readonly resource: number | bigint; readonly soft: number | bigint; readonly hard: number | bigint; }
  | { readonly op: 'raise_limit'; readonly host?: never; readonly name: string; readonly resource: number | bigint; readonly hard: number | bigint; }
  | { readonly op: 'scheduler'; readonly host?: never; readonly policy: number | bigint; readonly nice: number | bigint; readonly priority: number | bigint; readonly runtime: number | bigint; readonly deadline: number | bigint; readonly period: number | bigint; }
  | { readonly op: 'scheduler_with_flags'; readonly host?: never; readonly policy: number | bigint; readonly flags: number | bigint; readonly nice: number | bigint; readonly priority: number | bigint; readonly runtime: number | bigint; readonly deadline: number | bigint; readonly period: number | bigint; }
  | { readonly op: 'memory_policy'; readonly host?: never; readonly mode: number | bigint; readonly nodes: Uint8Array; }
  | { readonly op: 'io_priority'; readonly host?: never; readonly priority: number | bigint; }
  | { readonly op: 'cpu_affinity'; readonly host?: boolean; readonly mask: Uint8Array; }
  | { readonly op: 'personality'; readonly host?: never; readonly persona: number | bigint; }
  | { readonly op: 'oom_score_adj'; readonly host?: never; readonly value: string; }
  | { readonly op: 'security_attribute'; readonly host?: never; readonly what: string; readonly name: string; readonly value: string; }
  | { readonly op: 'umask'; readonly host?: never; readonly mask: number | bigint; }
  | { readonly op: 'setsid'; readonly host?: never; }
  | { readonly op: 'keyring'; readonly host?: never; }
  | { readonly op: 'chdir'; readonly host?: never; readonly path: string; readonly create: number | bigint; readonly on: readonly Slot[]; readonly mounts: readonly Slot[]; }
  | { readonly op: 'stdio'; readonly host?: never; readonly slot: Slot; readonly fd: number | bigint; }
  | { readonly op: 'pass_descriptors'; readonly host?: never; readonly slots: readonly Slot[]; }
  | { readonly op: 'open_terminal'; readonly host?: never; readonly out?: Slot; readonly columns: number | bigint; readonly rows: number | bigint; }
  | { readonly op: 'keep_newlines'; readonly host?: never; readonly master: Slot; }
  | { readonly op: 'open_slave'; readonly host?: never; readonly out?: Slot; readonly master: Slot; }
  | { readonly op: 'send_terminal'; readonly host: true; readonly terminal: Slot; readonly path: string; }
  | { readonly op: 'control_terminal'; readonly host?: never; }
  | { readonly op: 'user'; readonly host?: never; readonly user: string; readonly apply: number | bigint; readonly on: readonly Slot[]; readonly mounts: readonly Slot[]; }
  | { readonly op: 'add_groups'; readonly host?: never; readonly groups: readonly string[]; readonly apply: number | bigint; readonly on: readonly Slot[]; readonly mounts: readonly Slot[]; }
  | { readonly op: 'only_groups'; readonly host?: never; readonly groups: readonly string[]; }
  | { readonly op: 'not_root'; readonly host?: never; readonly id: number | bigint; }
  | { readonly op: 'become_root'; readonly host?: never; readonly groups: number | bigint; }
  | { readonly op: 'save_user'; readonly host?: never; readonly out?: Slot; }
  | { readonly op: 'restore_user'; readonly host?: never; readonly saved: Slot; readonly apply: number | bigint; }
  | { readonly op: 'keep_groups'; readonly host?: never; }
  | { readonly op: 'keep_capabilities'; readonly host?: never; }
  | { readonly op: 'bound_capabilities'; readonly host?: never; readonly bounding: number | bigint; }
  | { readonly op: 'capabilities'; readonly host?: never; readonly effective: number | bigint; readonly permitted: number | bigint; readonly inheritable: number | bigint; readonly ambient: number | bigint; }
  | { readonly op: 'limit_capabilities'; readonly host?: never; readonly kept: number | bigint; }
  | { readonly op: 'no_new_privileges'; readonly host?: never; }
  | { readonly op: 'dumpable'; readonly host?: never; readonly value: number | bigint; }
  | { readonly op: 'parent_death_signal'; readonly host?: never; readonly signal: number | bigint; }
  | { readonly op: 'seccomp'; readonly host?: never; readonly filter: Uint8Array; }
  | { readonly op: 'load_call_filter'; readonly host?: never; readonly out?: Slot; readonly filter: Uint8Array; readonly flags: number | bigint; }
  | { readonly op: 'send_listener'; readonly host: true; readonly listener: Slot; readonly path: string; readonly state: readonly string[]; }
  | { readonly op: 'send_process'; readonly host: true; readonly path: string; readonly name: string; }
  | { readonly op: 'init'; readonly host?: never; }
  | { readonly op: 'rest'; readonly host?: never; }
  | { readonly op: 'park'; readonly host?: never; }
  | { readonly op: 'await_start'; readonly host?: never; readonly go: Slot; readonly told: Slot; }
  | { readonly op: 'find_program'; readonly host?: never; readonly path: string; readonly env: readonly string[]; }
  | { readonly op: 'describe_process'; readonly host: true; readonly out?: Slot; readonly before: Uint8Array; readonly after: Uint8Array; }
  | { readonly op: 'run_named_hook'; readonly host?: never; readonly name: string; readonly path: string; readonly argv: readonly string[]; readonly env: readonly string[]; readonly input: Slot; readonly timeout: number | bigint; }
  | { readonly op: 'exec'; readonly host?: never; readonly path: string; readonly argv: readonly string[]; readonly env: readonly string[]; }
  | { readonly op: 'landlock_abi'; readonly host: true; }
  | { readonly op: 'landlock_ruleset'; readonly host?: never; readonly out?: Slot; readonly files: number | bigint; readonly ports: number | bigint; readonly scopes: number | bigint; }
  | { readonly op: 'landlock_paths'; readonly host?: never; readonly ruleset: Slot; readonly paths: readonly string[]; readonly rights: number | bigint; readonly missing: number | bigint; }
  | { readonly op: 'landlock_folder'; readonly host?: never; readonly ruleset: Slot; readonly folder: Slot; readonly rights: number | bigint; }
  | { readonly op: 'landlock_port'; readonly host?: never; readonly ruleset: Slot; readonly rights: number | bigint; readonly port: number | bigint; }
  | { readonly op: 'landlock_restrict'; readonly host?: never; readonly ruleset: Slot; }
  | { readonly op: 'guard'; readonly host?: never; readonly out?: Slot; }
  | { readonly op: 'end_guarded'; readonly host: true; readonly guard: Slot; }
  | { readonly op: 'pump'; readonly host: true; readonly from: readonly Slot[]; readonly to: readonly Slot[]; }
  | { readonly op: 'log'; readonly host: true; readonly from: readonly Slot[]; readonly folder: Slot; readonly bytes: number | bigint; readonly segments: number | bigint; }
  | { readonly op: 'work_filter'; readonly host?: never; readonly work: string; readonly output: Slot; }
  | { readonly op: 'unpack'; readonly host?: never; readonly input: Slot; readonly root: Slot; readonly lower: readonly Slot[]; readonly options: readonly string[]; }
  | { readonly op: 'pack'; readonly host?: never; readonly upper: Slot; readonly lower: readonly Slot[]; readonly output: Slot; readonly options: readonly string[]; }
  | { readonly op: 'changes'; readonly host?: never; readonly upper: Slot; readonly lower: readonly Slot[]; readonly output: Slot; readonly options: readonly string[]; }
  | { readonly op: 'pause'; readonly host?: never; };

export type Op = Step['op'];

/** Of a step: the system call that fails most, the words for errors, the fields as they travel. */
export interface StepRow {
  readonly op: Op;
  readonly call: string;
  readonly what: string;
  readonly fields: readonly (readonly [FieldKind, string])[];
}

/** In the order of the opcodes. */
export const stepTable: readonly StepRow[] = [
  { op: 'open', call: 'openat', what: 'open {path}', fields: [['OUT', 'out'], ['SLOT', 'at'], ['STR', 'path'], ['NUM', 'flags'], ['NUM', 'mode']] },
  { op: 'open_in_root', call: 'openat2', what: 'open {path}', fields: [['OUT', 'out'], ['SLOT', 'root'], ['STR', 'path'], ['NUM', 'flags']] },
  { op: 'open_null', call: 'openat2', what: 'open /dev/null', fields: [['OUT', 'out'], ['SLOT', 'dev'], ['NUM', 'flags']] },
  { op: 'reopen', call: 'open', what: 'open {path}', fields: [['OUT', 'out'], ['SLOT', 'slot'], ['STR', 'path'], ['NUM', 'flags']] },
  { op: 'close', call: 'close', what: 'close a descriptor', fields: [['SLOT', 'slot']] },
  { op: 'close_from', call: 'close', what: 'close descriptors', fields: [['NUM', 'first']] },
  { op: 'give', call: 'sendmsg', what: 'hand a descriptor over', fields: [['SLOT', 'slot']] },
  { op: 'refuse_descriptors', call: 'setsockopt', what: 'let the process hand no more descriptors over', fields: [] },
  { op: 'chown', call: 'fchown', what: 'give a descriptor to its user', fields: [['SLOT', 'slot']] },
  { op: 'chown_to', call: 'fchown', what: 'give a descriptor to another user', fields: [['SLOT', 'slot'], ['NUM', 'uid'], ['NUM', 'gid']] },
  { op: 'read', call: 'read', what: 'read {path}', fields: [['SLOT', 'at'], ['STR', 'path'], ['NUM', 'max']] },
  { op: 'require_inode', call: 'fstat', what: 'check what {path} leads to', fields: [['SLOT', 'slot'], ['STR', 'path'], ['NUM', 'inode']] },
  { op: 'keep_steps', call: 'memfd_create', what: 'keep steps for later', fields: [['NUM', 'key'], ['STEPS', 'steps']] },
  { op: 'run_steps', call: 'memfd_create', what: 'run the steps that were kept', fields: [['NUM', 'first'], ['NUM', 'last'], ['STEPS', 'steps']] },
  { op: 'require_procfs', call: 'fstatfs', what: 'check that /proc is the kernel\'s', fields: [['SLOT', 'slot']] },
  { op: 'go_on', call: 'sendmsg', what: 'let the process go on', fields: [] },
  { op: 'setns', call: 'setns', what: 'join the {type} namespace', fields: [['SLOT', 'ns'], ['STR', 'type']] },
  { op: 'unshare', call: 'unshare', what: 'unshare namespaces', fields: [['NUM', 'flags']] },
  { op: 'open_namespace', call: 'openat', what: 'open the {type} namespace', fields: [['OUT', 'out'], ['STR', 'type']] },
  { op: 'open_process', call: 'pidfd_open', what: 'open the process', fields: [['OUT', 'out']] },
  { op: 'require_running', call: 'poll', what: 'look for the process', fields: [['SLOT', 'process']] },
  { op: 'join_process', call: 'setns', what: 'join the namespaces of the process', fields: [['SLOT', 'process'], ['NUM', 'flags']] },
  { op: 'write_process', call: 'write', what: 'write /proc/PID/{path}', fields: [['STR', 'path'], ['BYTES', 'bytes']] },
  { op: 'clone', call: 'clone3', what: 'start the next stage', fields: [['NUM', 'stage'], ['SLOTS', 'keep']] },
  { op: 'filesystem', call: 'fsconfig', what: 'make a {type} file system', fields: [['OUT', 'out'], ['STR', 'type'], ['LIST', 'options'], ['NUM', 'attributes']] },
  { op: 'proc', call: 'fsconfig', what: 'make a proc file system', fields: [['OUT', 'out'], ['SLOT', 'pidns'], ['NUM', 'attributes']] },
  { op: 'overlay', call: 'fsconfig', what: 'make the overlay file system', fields: [['OUT', 'out'], ['SLOTS', 'lower'], ['SLOT', 'upper'], ['SLOT', 'work'], ['LIST', 'options'], ['NUM', 'attributes']] },
  { op: 'clone_mount', call: 'open_tree', what: 'bind {path}', fields: [['OUT', 'out'], ['SLOT', 'at'], ['STR', 'path'], ['NUM', 'recursive']] },
  { op: 'clone_mount_in', call: 'open_tree', what: 'bind {path}', fields: [['OUT', 'out'], ['SLOT', 'ns'], ['STR', 'path'], ['NUM', 'recursive']] },
  { op: 'clone_mount_of', call: 'open_tree', what: 'bind a mount of the run before', fields: [['OUT', 'out'], ['SLOT', 'mount'], ['SLOT', 'ns']] },
  { op: 'set_mount', call: 'mount_setattr', what: 'change a mount\'s attributes', fields: [['SLOT', 'mount'], ['NUM', 'recursive'], ['NUM', 'set'], ['NUM', 'clear'], ['NUM', 'propagation']] },
  { op: 'idmap', call: 'mount_setattr', what: 'show the owners of {path} as ids of the user namespace', fields: [['SLOT', 'mount'], ['SLOT', 'users'], ['STR', 'path'], ['NUM', 'recursive']] },
  { op: 'set_propagation', call: 'mount', what: 'set the propagation of {path}', fields: [['STR', 'path'], ['NUM', 'propagation']] },
  { op: 'attach', call: 'move_mount', what: 'mount on {path}', fields: [['SLOT', 'mount'], ['SLOT', 'root'], ['STR', 'path'], ['NUM', 'create'], ['SLOTS', 'on'], ['SLOTS', 'mounts']] },
  { op: 'attach_at', call: 'move_mount', what: 'mount on {path}', fields: [['SLOT', 'mount'], ['SLOT', 'at'], ['STR', 'path']] },
  { op: 'share_folder', call: 'mount', what: 'share the mounts in {path}', fields: [['STR', 'path']] },
  { op: 'require_mount', call: 'statx', what: 'check the mount on {path}', fields: [['SLOT', 'root'], ['STR', 'path'], ['SLOT', 'mount']] },
  { op: 'detach', call: 'umount2', what: 'unmount {path}', fields: [['SLOT', 'at'], ['STR', 'path']] },
  { op: 'pivot', call: 'pivot_root', what: 'make the new root the root', fields: [['SLOT', 'root'], ['NUM', 'between']] },
  { op: 'enter_root', call: 'chroot', what: 'go into the container\'s root', fields: [['SLOT', 'root']] },
  { op: 'enter_folder', call: 'fchdir', what: 'change to a folder', fields: [['SLOT', 'folder']] },
  { op: 'change_root', call: 'chroot', what: 'make the new root the root without pivot_root', fields: [['SLOT', 'root']] },
  { op: 'mask', call: 'move_mount', what: 'mask paths', fields: [['SLOTS', 'roots'], ['LIST', 'paths'], ['SLOT', 'file'], ['SLOT', 'folder']] },
  { op: 'readonly', call: 'mount_setattr', what: 'make paths read-only', fields: [['SLOTS', 'roots'], ['LIST', 'paths']] },
  { op: 'mkdir', call: 'mkdirat', what: 'make the folder {path}', fields: [['OUT', 'out'], ['SLOT', 'root'], ['STR', 'path'], ['NUM', 'mode'], ['NUM', 'uid'], ['NUM', 'gid']] },
  { op: 'symlink', call: 'symlinkat', what: 'make the link {path}', fields: [['SLOT', 'root'], ['STR', 'path'], ['STR', 'target']] },
  { op: 'mknod', call: 'mknodat', what: 'make the device {path}', fields: [['SLOT', 'root'], ['STR', 'path'], ['NUM', 'mode'], ['NUM', 'major'], ['NUM', 'minor'], ['NUM', 'uid'], ['NUM', 'gid']] },
  { op: 'mknod_on', call: 'mknodat', what: 'make the device {path}', fields: [['SLOT', 'root'], ['STR', 'path'], ['NUM', 'mode'], ['NUM', 'major'], ['NUM', 'minor'], ['NUM', 'uid'], ['NUM', 'gid'], ['SLOTS', 'on'], ['SLOTS', 'mounts']] },
  { op: 'write_file', call: 'write', what: 'write {path}', fields: [['SLOT', 'root'], ['STR', 'path'], ['BYTES', 'bytes'], ['NUM', 'mode'], ['NUM', 'uid'], ['NUM', 'gid'], ['SLOTS', 'on'], ['SLOTS', 'mounts']] },
  { op: 'copy_in', call: 'write', what: 'copy to {path}', fields: [['SLOT', 'source'], ['SLOT', 'root'], ['STR', 'path'], ['NUM', 'mode'], ['NUM', 'uid'], ['NUM', 'gid'], ['SLOTS', 'on'], ['SLOTS', 'mounts']] },
  { op: 'copy_out', call: 'write', what: 'copy out', fields: [['SLOT', 'root'], ['LIST', 'paths'], ['SLOT', 'to'], ['NUM', 'max']] },
  { op: 'covering_tmpfs', call: 'fsconfig', what: 'make a tmpfs file system', fields: [['OUT', 'out'], ['SLOT', 'root'], ['STR', 'path'], ['LIST', 'options'], ['NUM', 'attributes']] },
  { op: 'copy_covered', call: 'write', what: 'copy what is in {path} into its tmpfs', fields: [['SLOT', 'root'], ['STR', 'path'], ['SLOT', 'to']] },
  { op: 'set_xattr', call: 'setxattr', what: 'set {name} on {path}', fields: [['SLOT', 'root'], ['STR', 'path'], ['STR', 'name'], ['BYTES', 'value']] },
  { op: 'make_group', call: 'mkdir', what: 'make the cgroup {path}', fields: [['OUT', 'out'], ['SLOT', 'at'], ['STR', 'path']] },
  { op: 'inherit_cpuset', call: 'write', what: 'give the cgroup {path} the CPUs of its parent', fields: [['SLOT', 'at'], ['STR', 'path']] },
  { op: 'inherit_cpusets', call: 'write', what: 'give the cgroup {path} the CPUs of those above it', fields: [['STR', 'path'], ['NUM', 'most']] },
  { op: 'release_real_time', call: 'write', what: 'give back the real-time run time of the cgroup {path}', fields: [['SLOT', 'at'], ['STR', 'path']] },
  { op: 'remove_group', call: 'rmdir', what: 'remove the cgroup {path}', fields: [['SLOT', 'at'], ['STR', 'path']] },
  { op: 'remove_folder', call: 'rmdir', what: 'remove the empty folder {path}', fields: [['SLOT', 'at'], ['STR', 'path'], ['NUM', 'wait']] },
  { op: 'kill_group', call: 'kill', what: 'kill what is in the cgroup {path}', fields: [['SLOT', 'at'], ['STR', 'path']] },
  { op: 'put', call: 'write', what: 'write {path}', fields: [['SLOT', 'at'], ['STR', 'path'], ['BYTES', 'bytes']] },
  { op: 'put_file', call: 'openat', what: 'write {path}', fields: [['SLOT', 'at'], ['STR', 'path'], ['BYTES', 'bytes']] },
  { op: 'link', call: 'linkat', what: 'make the file {path}', fields: [['STR', 'target'], ['STR', 'path']] },
  { op: 'rename', call: 'renameat', what: 'rename {path} to {target}', fields: [['STR', 'path'], ['STR', 'target']] },
  { op: 'unlink', call: 'unlinkat', what: 'remove {path}', fields: [['SLOT', 'at'], ['STR', 'path']] },
  { op: 'unlink_if', call: 'unlinkat', what: 'remove {path}', fields: [['SLOT', 'at'], ['STR', 'path'], ['BYTES', 'bytes']] },
  { op: 'forget', call: 'unlinkat', what: 'remove the record {path}', fields: [['STR', 'path']] },
  { op: 'remove_tree', call: 'unlinkat', what: 'remove {path}', fields: [['SLOT', 'at'], ['STR', 'path']] },
  { op: 'join_group', call: 'write', what: 'join a cgroup', fields: [['SLOT', 'group'], ['STR', 'file']] },
  { op: 'join_above', call: 'write', what: 'join the cgroup {path}', fields: [['STR', 'path'], ['NUM', 'floor']] },
  { op: 'allow_device', call: 'write', what: 'allow the device {device} in the cgroup', fields: [['SLOT', 'group'], ['STR', 'device'], ['STR', 'access']] },
  { op: 'allow_devices', call: 'write', what: 'allow devices in the cgroup', fields: [['SLOT', 'group'], ['LIST', 'devices']] },
  { op: 'load_device_filter', call: 'bpf', what: 'load the device filter', fields: [['OUT', 'out'], ['BYTES', 'program']] },
  { op: 'attach_device_filter', call: 'bpf', what: 'confine the devices of the cgroup', fields: [['SLOT', 'group'], ['SLOT', 'program']] },
  { op: 'lock', call: 'fcntl', what: 'take the lock {path}', fields: [['OUT', 'out'], ['SLOT', 'at'], ['STR', 'path']] },
  { op: 'networks_in', call: 'connect', what: 'use the network namespace of this user\'s networks', fields: [['STR', 'folder'], ['STR', 'path'], ['NUM', 'inode']] },
  { op: 'netlink_socket', call: 'socket', what: 'open a netlink socket', fields: [['OUT', 'out'], ['SLOT', 'ns'], ['NUM', 'protocol']] },
  { op: 'netlink', call: 'sendmsg', what: '{what}', fields: [['SLOT', 'socket'], ['STR', 'what'], ['BYTES', 'message'], ['SLOT', 'patch'], ['NUM', 'patch_offset']] },
  { op: 'netlink_list', call: 'sendmsg', what: '{what}', fields: [['SLOT', 'socket'], ['STR', 'what'], ['BYTES', 'message'], ['BYTES', 'having'], ['NUM', 'most']] },
  { op: 'netlink_batch', call: 'sendmsg', what: '{what}', fields: [['SLOT', 'socket'], ['STR', 'what'], ['LIST', 'names'], ['BYTES', 'messages']] },
  { op: 'remove_links', call: 'sendmsg', what: 'remove the links of group {group}', fields: [['SLOT', 'socket'], ['NUM', 'group']] },
  { op: 'remove_link', call: 'sendmsg', what: 'remove {name}', fields: [['SLOT', 'socket'], ['NUM', 'index'], ['STR', 'name'], ['NUM', 'required']] },
  { op: 'leave_bridge', call: 'sendmsg', what: 'remove a bridge without uses in {uses}', fields: [['SLOT', 'socket'], ['NUM', 'group'], ['STR', 'uses'], ['STR', 'lock']] },
  { op: 'serve_names', call: 'bind', what: 'answer questions about names at 127.0.0.11', fields: [['SLOT', 'ns'], ['NUM', 'forwards'], ['LIST', 'networks'], ['STR', 'folder']] },
  { op: 'serve_peers', call: 'bind', what: 'answer questions about names of its networks at 127.0.0.12', fields: [['SLOT', 'ns'], ['LIST', 'networks'], ['STR', 'folder']] },
  { op: 'put_member', call: 'openat', what: 'tell others in its networks of {name}', fields: [['STR', 'folder'], ['STR', 'name'], ['BYTES', 'bytes']] },
  { op: 'change_names', call: 'sendmsg', what: 'tell the names of other networks', fields: [['NUM', 'forwards'], ['LIST', 'networks']] },
  { op: 'stop_names', call: 'close', what: 'answer no more questions about names', fields: [] },
  { op: 'relay_ports', call: 'bind', what: 'carry connections to {at}', fields: [['SLOT', 'ns'], ['STR', 'at'], ['LIST', 'ports'], ['LIST', 'to']] },
  { op: 'serve_egress', call: 'bind', what: 'carry connections to what the list allows', fields: [['SLOT', 'ns'], ['LIST', 'at'], ['NUM', 'port'], ['NUM', 'peers'], ['LIST', 'rules']] },
  { op: 'change_egress', call: 'sendmsg', what: 'carry connections to what another list allows', fields: [['LIST', 'rules']] },
  { op: 'end_egress', call: 'close', what: 'end what leads to the list', fields: [] },
  { op: 'stop_relay', call: 'close', what: 'carry no more connections', fields: [] },
  { op: 'start_pasta', call: 'execve', what: 'start {path}', fields: [['OUT', 'out'], ['SLOT', 'ns'], ['STR', 'path'], ['LIST', 'arguments']] },
  { op: 'await_pasta', call: 'read', what: 'connect the network by {path}', fields: [['SLOT', 'said'], ['STR', 'path']] },
  { op: 'keep_pasta', call: 'execve', what: 'keep the network', fields: [] },
  { op: 'stop_pasta', call: 'kill', what: 'end what connects the network', fields: [] },
  { op: 'leave_settings', call: 'write', what: 'put back the settings in {folder}', fields: [['STR', 'folder'], ['LIST', 'saved'], ['LIST', 'settings']] },
  { op: 'link_up', call: 'ioctl', what: 'bring up {name}', fields: [['STR', 'name']] },
  { op: 'sysctls_in', call: 'write', what: 'set {paths} of the network namespace', fields: [['SLOT', 'ns'], ['LIST', 'paths'], ['STR', 'value']] },
  { op: 'tcp_socket', call: 'socket', what: 'open a TCP socket in the network namespace', fields: [['OUT', 'out'], ['SLOT', 'ns'], ['NUM', 'family']] },
  { op: 'hold_port', call: 'bind', what: '{what}', fields: [['OUT', 'out'], ['STR', 'what'], ['NUM', 'type'], ['BYTES', 'address'], ['NUM', 'port']] },
  { op: 'hold_open_port', call: 'bind', what: '{what}', fields: [['OUT', 'out'], ['STR', 'what'], ['NUM', 'type'], ['BYTES', 'address'], ['NUM', 'port'], ['NUM', 'loopback']] },
  { op: 'relay_port', call: 'listen', what: 'carry connections to port {port} of {to}', fields: [['SLOT', 'socket'], ['STR', 'to'], ['NUM', 'port']] },
  { op: 'relay_port_inside', call: 'listen', what: 'carry connections to port {port} of {to}', fields: [['SLOT', 'socket'], ['STR', 'to'], ['NUM', 'port']] },
  { op: 'stop_ports', call: 'close', what: 'carry no more connections to ports', fields: [['NUM', 'first'], ['NUM', 'last']] },
  { op: 'sethostname', call: 'sethostname', what: 'set the host name', fields: [['STR', 'name']] },
  { op: 'setdomainname', call: 'setdomainname', what: 'set the domain name', fields: [['STR', 'name']] },
  { op: 'sysctl', call: 'write', what: 'set sysctl {path}', fields: [['SLOT', 'proc'], ['STR', 'path'], ['STR', 'value']] },
  { op: 'rlimit', call: 'prlimit', what: 'set ulimit {name}', fields: [['STR', 'name'], ['NUM', 'resource'], ['NUM', 'soft'], ['NUM', 'hard']] },
  { op: 'raise_limit', call: 'prlimit', what: 'raise ulimit {name}', fields: [['STR', 'name'], ['NUM', 'resource'], ['NUM', 'hard']] },
  { op: 'scheduler', call: 'sched_setattr', what: 'set the scheduler', fields: [['NUM', 'policy'], ['NUM', 'nice'], ['NUM', 'priority'], ['NUM', 'runtime'], ['NUM', 'deadline'], ['NUM', 'period']] },
  { op: 'scheduler_with_flags', call: 'sched_setattr', what: 'set the scheduler', fields: [['NUM', 'policy'], ['NUM', 'flags'], ['NUM', 'nice'], ['NUM', 'priority'], ['NUM', 'runtime'], ['NUM', 'deadline'], ['NUM', 'period']] },
  { op: 'memory_policy', call: 'set_mempolicy', what: 'set the memory policy', fields: [['NUM', 'mode'], ['BYTES', 'nodes']] },
  { op: 'io_priority', call: 'ioprio_set', what: 'set the I/O priority', fields: [['NUM', 'priority']] },
  { op: 'cpu_affinity', call: 'sched_setaffinity', what: 'set the processors', fields: [['BYTES', 'mask']] },
  { op: 'personality', call: 'personality', what: 'set the execution domain', fields: [['NUM', 'persona']] },
  { op: 'oom_score_adj', call: 'write', what: 'set oomScoreAdj', fields: [['STR', 'value']] },
  { op: 'security_attribute', call: 'write', what: '{what}', fields: [['STR', 'what'], ['STR', 'name'], ['STR', 'value']] },
  { op: 'umask', call: 'umask', what: 'set the umask', fields: [['NUM', 'mask']] },
  { op: 'setsid', call: 'setsid', what: 'start a session', fields: [] },
  { op: 'keyring', call: 'keyctl', what: 'start a session keyring', fields: [] },
  { op: 'chdir', call: 'chdir', what: 'change to the folder {path}', fields: [['STR', 'path'], ['NUM', 'create'], ['SLOTS', 'on'], ['SLOTS', 'mounts']] },
  { op: 'stdio', call: 'dup2', what: 'set up file descriptor {fd}', fields: [['SLOT', 'slot'], ['NUM', 'fd']] },
  { op: 'pass_descriptors', call: 'dup2', what: 'hand descriptors over', fields: [['SLOTS', 'slots']] },
  { op: 'open_terminal', call: 'openat2', what: 'open a terminal in the container\'s /dev/pts', fields: [['OUT', 'out'], ['NUM', 'columns'], ['NUM', 'rows']] },
  { op: 'keep_newlines', call: 'ioctl', what: 'set up the terminal', fields: [['SLOT', 'master']] },
  { op: 'open_slave', call: 'ioctl', what: 'open the program\'s side of the terminal', fields: [['OUT', 'out'], ['SLOT', 'master']] },
  { op: 'send_terminal', call: 'sendmsg', what: 'send the terminal to {path}', fields: [['SLOT', 'terminal'], ['STR', 'path']] },
  { op: 'control_terminal', call: 'ioctl', what: 'make the terminal the controlling one', fields: [] },
  { op: 'user', call: 'setresuid', what: 'become the user {user}', fields: [['STR', 'user'], ['NUM', 'apply'], ['SLOTS', 'on'], ['SLOTS', 'mounts']] },
  { op: 'add_groups', call: 'setgroups', what: 'add the groups of groupAdd', fields: [['LIST', 'groups'], ['NUM', 'apply'], ['SLOTS', 'on'], ['SLOTS', 'mounts']] },
  { op: 'only_groups', call: 'setgroups', what: 'have the groups of config.json', fields: [['LIST', 'groups']] },
  { op: 'not_root', call: 'setresuid', what: 'put another in the place of root', fields: [['NUM', 'id']] },
  { op: 'become_root', call: 'setresuid', what: 'become root of the user namespace', fields: [['NUM', 'groups']] },
  { op: 'save_user', call: 'memfd_create', what: 'note who the user is', fields: [['OUT', 'out']] },
  { op: 'restore_user', call: 'setresuid', what: 'become the container\'s user', fields: [['SLOT', 'saved'], ['NUM', 'apply']] },
  { op: 'keep_groups', call: 'setgroups', what: 'keep the groups that this user can\'t leave', fields: [] },
  { op: 'keep_capabilities', call: 'prctl', what: 'keep capabilities over the change of user', fields: [] },
  { op: 'bound_capabilities', call: 'prctl', what: 'limit the bounding set', fields: [['NUM', 'bounding']] },
  { op: 'capabilities', call: 'capset', what: 'set the capabilities', fields: [['NUM', 'effective'], ['NUM', 'permitted'], ['NUM', 'inheritable'], ['NUM', 'ambient']] },
  { op: 'limit_capabilities', call: 'capset', what: 'limit the capabilities', fields: [['NUM', 'kept']] },
  { op: 'no_new_privileges', call: 'prctl', what: 'set no_new_privs', fields: [] },
  { op: 'dumpable', call: 'prctl', what: 'set whether it can be dumped', fields: [['NUM', 'value']] },
  { op: 'parent_death_signal', call: 'prctl', what: 'die with the shim', fields: [['NUM', 'signal']] },
  { op: 'seccomp', call: 'seccomp', what: 'load the system call filter', fields: [['BYTES', 'filter']] },
  { op: 'load_call_filter', call: 'seccomp', what: 'load the system call filter', fields: [['OUT', 'out'], ['BYTES', 'filter'], ['NUM', 'flags']] },
  { op: 'send_listener', call: 'sendmsg', what: 'send the listener of system calls to {path}', fields: [['SLOT', 'listener'], ['STR', 'path'], ['LIST', 'state']] },
  { op: 'send_process', call: 'sendmsg', what: 'send the process to {path}', fields: [['STR', 'path'], ['STR', 'name']] },
  { op: 'init', call: 'clone3', what: 'start the init process', fields: [] },
  { op: 'rest', call: 'recvmsg', what: 'wait for the rest of the plan', fields: [] },
  { op: 'park', call: 'recvmsg', what: 'wait to be started', fields: [] },
  { op: 'await_start', call: 'read', what: 'wait for whoever starts it', fields: [['SLOT', 'go'], ['SLOT', 'told']] },
  { op: 'find_program', call: 'faccessat', what: 'run {path}', fields: [['STR', 'path'], ['LIST', 'env']] },
  { op: 'describe_process', call: 'memfd_create', what: 'note the process', fields: [['OUT', 'out'], ['BYTES', 'before'], ['BYTES', 'after']] },
  { op: 'run_named_hook', call: 'execve', what: 'error running {name}: {path}', fields: [['STR', 'name'], ['STR', 'path'], ['LIST', 'argv'], ['LIST', 'env'], ['SLOT', 'input'], ['NUM', 'timeout']] },
  { op: 'exec', call: 'execve', what: 'run {path}', fields: [['STR', 'path'], ['LIST', 'argv'], ['LIST', 'env']] },
  { op: 'landlock_abi', call: 'landlock_create_ruleset', what: 'ask the kernel for Landlock', fields: [] },
  { op: 'landlock_ruleset', call: 'landlock_create_ruleset', what: 'make the rules of Landlock', fields: [['OUT', 'out'], ['NUM', 'files'], ['NUM', 'ports'], ['NUM', 'scopes']] },
  { op: 'landlock_paths', call: 'landlock_add_rule', what: 'allow paths by Landlock', fields: [['SLOT', 'ruleset'], ['LIST', 'paths'], ['NUM', 'rights'], ['NUM', 'missing']] },
  { op: 'landlock_folder', call: 'landlock_add_rule', what: 'allow the run\'s folder by Landlock', fields: [['SLOT', 'ruleset'], ['SLOT', 'folder'], ['NUM', 'rights']] },
  { op: 'landlock_port', call: 'landlock_add_rule', what: 'allow the port {port} by Landlock', fields: [['SLOT', 'ruleset'], ['NUM', 'rights'], ['NUM', 'port']] },
  { op: 'landlock_restrict', call: 'landlock_restrict_self', what: 'confine the process by Landlock', fields: [['SLOT', 'ruleset']] },
  { op: 'guard', call: 'clone', what: 'start the process that ends the tree', fields: [['OUT', 'out']] },
  { op: 'end_guarded', call: 'kill', what: 'end what the program left running', fields: [['SLOT', 'guard']] },
  { op: 'pump', call: 'clone3', what: 'copy between the caller\'s files and the program', fields: [['SLOTS', 'from'], ['SLOTS', 'to']] },
  { op: 'log', call: 'clone3', what: 'keep the program\'s output', fields: [['SLOTS', 'from'], ['SLOT', 'folder'], ['NUM', 'bytes'], ['NUM', 'segments']] },
  { op: 'work_filter', call: 'seccomp', what: 'limit the system calls to those of {work}', fields: [['STR', 'work'], ['SLOT', 'output']] },
  { op: 'unpack', call: 'write', what: 'unpack the layer', fields: [['SLOT', 'input'], ['SLOT', 'root'], ['SLOTS', 'lower'], ['LIST', 'options']] },
  { op: 'pack', call: 'write', what: 'pack the changes', fields: [['SLOT', 'upper'], ['SLOTS', 'lower'], ['SLOT', 'output'], ['LIST', 'options']] },
  { op: 'changes', call: 'write', what: 'list the changes', fields: [['SLOT', 'upper'], ['SLOTS', 'lower'], ['SLOT', 'output'], ['LIST', 'options']] },
  { op: 'pause', call: 'execveat', what: 'hold the namespaces', fields: [] },
];
