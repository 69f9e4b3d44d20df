import * as json from '../options/option-fields.js';
import { cpuMask } from './cpu-list.js';
import { memoryFlags, memoryModes, takesNoNodes } from './memory-policy.js';
import { namespaceNames } from './namespace-names.js';
import { absolute, id, list, maybe, maybeBoolean, maybeSigned, maybeText, maybeUnsigned, plain, texts, unsigned } from './nullable.js';
import { resourcesSchema } from './resources-schema.js';
import { schedulerFlags } from './scheduler-flags.js';

// config.json of runtime-spec 1.3 (config.md, config-linux.md). Fields that the spec does not have are passed over, as it says ("Extensibility").
// A field of which the value can't be kept is not left out here: what refuses it is refused.ts.

const namespaceSchema = json.object({
  type: json.oneOf(namespaceNames),
  path: maybe(json.either(json.literal(''), absolute)),
});

const idMappings = list(json.object({ containerID: id, hostID: id, size: json.int().min(1) }));

export const mountSchema = json.object({
  destination: plain.min(1),
  type: maybeText,
  source: maybeText,
  options: texts,
  uidMappings: idMappings,
  gidMappings: idMappings,
});

const rlimitSchema = json
  .object({
    type: json.string().regex(/^RLIMIT_[A-Z]+$/, "must be a name such as 'RLIMIT_NOFILE'"),
    soft: unsigned64(),
    hard: unsigned64(),
  })
  .refine(({ soft, hard }) => soft <= hard, { path: ['soft'], message: 'must be at most hard' });

/** RLIM_INFINITY is 2^64 - 1, which JSON.parse makes 2^64. */
function unsigned64() {
  return json
    .number()
    .min(0)
    .max(2 ** 64)
    .refine((value) => Number.isInteger(value), 'must be a whole number')
    .transform((value) => (value >= 2 ** 64 - 1024 ? Number.POSITIVE_INFINITY : value));
}

const capabilityNames = list(json.string());

const capabilitySets = json.object({
  bounding: capabilityNames,
  effective: capabilityNames,
  inheritable: capabilityNames,
  permitted: capabilityNames,
  ambient: capabilityNames,
});

const schedulerSchema = json.object({
  policy: json.oneOf(['SCHED_OTHER', 'SCHED_BATCH', 'SCHED_IDLE', 'SCHED_FIFO', 'SCHED_RR', 'SCHED_DEADLINE']),
  nice: maybeSigned,
  priority: maybeSigned,
  flags: list(json.oneOf(schedulerFlags)),
  /** ns, as are those after it. */
  runtime: maybeUnsigned,
  deadline: maybeUnsigned,
  period: maybeUnsigned,
});

/** An offset of a clock (config-linux.md, "Offset for Time Namespace"). */
const offsetSchema = json.object({ secs: maybeSigned, nanosecs: maybe(unsigned.max(999_999_999)) });

/** A list as cpuset(7) writes it; an empty text is none, as Go writes it. */
const processors = json.string().refine((list) => list === '' || cpuMask(list) !== null, "must be a list of processors such as '0-3,7'");

/** An id that is missing is root's, as Go's zero is. */
const idOrRoot = id.nullish().transform((value) => value ?? 0);

const userSchema = json.object({
  uid: idOrRoot,
  gid: idOrRoot,
  umask: maybe(unsigned.max(0o777)),
  additionalGids: list(id),
});

export const processSchema = json.object({
  terminal: maybeBoolean,
  consoleSize: maybe(json.object({ height: unsigned.max(65_535), width: unsigned.max(65_535) })),
  user: json.orEmpty(userSchema),
  cwd: absolute,
  env: texts,
  args: json.array(plain).min(1),
  capabilities: maybe(capabilitySets),
  rlimits: list(rlimitSchema).refine((all) => new Set(all.map(({ type }) => type)).size === all.length, 'must name each limit once'),
  noNewPrivileges: maybeBoolean,
  oomScoreAdj: maybe(json.int().min(-1000).max(1000)),
  apparmorProfile: maybeText,
  selinuxLabel: maybeText,
  scheduler: maybe(schedulerSchema),
  ioPriority: maybe(
    json.object({
      class: json.oneOf(['IOPRIO_CLASS_RT', 'IOPRIO_CLASS_BE', 'IOPRIO_CLASS_IDLE']),
      priority: maybe(unsigned.max(7)),
    }),
  ),
  /** Of programs of `exec`, before and after they are in the container's groups. */
  execCPUAffinity: maybe(json.object({ initial: maybe(processors), final: maybe(processors) })),
});

const hookSchema = json.object({
  path: absolute,
  args: texts,
  /** Without it hooks in the namespaces of the runtime have the environment of the runtime, as with runc and crun. */
  env: maybe(json.array(plain)),
  /** Seconds. */
  timeout: maybe(json.int().min(1)),
});

const hookList = list(hookSchema);

const hooksSchema = json.object({
  prestart: hookList,
  createRuntime: hookList,
  createContainer: hookList,
  startContainer: hookList,
  poststart: hookList,
  poststop: hookList,
});

const deviceSchema = json.object({
  type: json.oneOf(['c', 'b', 'u', 'p']),
  path: absolute,
  major: maybeUnsigned,
  minor: maybeUnsigned,
  /** Engines name the whole mode of a device of the host's, with its type, which `type` says. */
  fileMode: maybe(unsigned.max(0o177_777).transform((mode) => mode & 0o7777)),
  uid: maybe(id),
  gid: maybe(id),
});

/** A name that the kernel takes for a network device (dev_valid_name of net/core/dev.c). */
const linkName = json
  .string()
  .refine((name) => /^[^\s/:\0]{1,15}$/.test(name) && name !== '.' && name !== '..', 'must be the name of a network device');

/** With runc's words for what is wrong, which callers look for. */
const invalidPolicy = (what: string, right: string): string => `is an invalid memory policy ${what}: must be ${right}`;
const invalidMode = invalidPolicy('mode', `one of ${memoryModes.join(', ')}`);
const invalidFlag = invalidPolicy('flag', `one of ${memoryFlags.join(', ')}`);
const invalidNodes = invalidPolicy('node list', "numbers of nodes such as '0-3,7'");

/** MPOL_* and MPOL_F_* (config-linux.md, "Memory policy"). An empty one says nothing. */
const memoryPolicySchema = json
  .object({
    mode: maybe(json.oneOf(memoryModes, invalidMode)),
    nodes: maybe(json.string().refine((nodes) => nodes === '' || cpuMask(nodes) !== null, invalidNodes)),
    flags: list(json.oneOf(memoryFlags, invalidFlag)),
  })
  .refine(({ mode, nodes, flags }) => mode !== undefined || (!nodes && flags.length === 0), { path: ['mode'], message: invalidMode })
  .transform(({ mode = 'MPOL_DEFAULT', nodes, flags }) => ({ mode, nodes, flags }))
  .refine(({ mode, nodes, flags }) => !takesNoNodes(mode) || (!nodes && flags.length === 0), {
    path: ['nodes'],
    message: 'and flags are for other modes than MPOL_DEFAULT and MPOL_LOCAL, for which set_mempolicy(2) says invalid argument',
  })
  .refine(({ mode, nodes }) => takesNoNodes(mode) || mode === 'MPOL_PREFERRED' || Boolean(nodes), {
    ...{ path: ['nodes'], message: 'is missing: this mode needs some' },
  });

const absolutes = list(absolute);

const linuxSchema = json.object({
  namespaces: list(namespaceSchema).refine((all) => new Set(all.map(({ type }) => type)).size === all.length, 'must name each type once'),
  uidMappings: idMappings,
  gidMappings: idMappings,
  timeOffsets: maybe(json.partialRecord(['boottime', 'monotonic'], offsetSchema)),
  devices: list(deviceSchema),
  cgroupsPath: maybeText,
  resources: maybe(
    resourcesSchema
      .refine(({ memory }) => !((memory?.swap ?? 0) > 0 && (memory?.limit ?? 0) <= 0), {
        path: ['memory', 'swap'],
        message: 'needs memory.limit',
      })
      .refine(({ memory }) => !((memory?.swap ?? 0) > 0 && (memory?.swap ?? 0) < (memory?.limit ?? 0)), {
        ...{ path: ['memory', 'swap'], message: 'must be at least memory.limit' },
      }),
  ),
  rootfsPropagation: maybe(json.oneOf(['', 'shared', 'slave', 'private', 'unbindable', 'rshared', 'rslave', 'rprivate', 'runbindable'])),
  seccomp: maybe(json.record(json.string(), json.unknown())),
  sysctl: maybe(json.record(json.string(), plain)),
  maskedPaths: absolutes,
  readonlyPaths: absolutes,
  mountLabel: maybeText,
  intelRdt: maybe(json.unknown()),
  personality: maybe(json.object({ domain: json.oneOf(['LINUX', 'LINUX32']), flags: texts })),
  memoryPolicy: maybe(memoryPolicySchema),
  netDevices: maybe(json.record(linkName, json.object({ name: maybe(json.either(json.literal(''), linkName)) }))),
});

/** The whole file. */
export const configSchema = json.object({
  ociVersion: json.string().regex(/^1\.\d+\.\d+(?:[-+].*)?$/, 'must be a version 1.x.y of the runtime spec'),
  root: json.object({ path: plain.min(1), readonly: maybeBoolean }),
  mounts: list(mountSchema),
  process: maybe(processSchema),
  hostname: maybeText,
  domainname: maybeText,
  hooks: maybe(hooksSchema),
  annotations: maybe(json.record(json.string(), json.string())),
  linux: maybe(linuxSchema),
});

/** config.json, checked. */
export type BundleConfig = json.output<typeof configSchema>;
export type BundleProcess = json.output<typeof processSchema>;
export type BundleMount = json.output<typeof mountSchema>;
export type BundleLinux = json.output<typeof linuxSchema>;
export type BundleDevice = json.output<typeof deviceSchema>;
export type Hook = json.output<typeof hookSchema>;
export type HookKind = keyof json.output<typeof hooksSchema>;
