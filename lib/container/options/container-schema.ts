import { isIP } from 'node:net';
import { types } from 'node:util';
import * as z from 'zod';
import type { Cgroup } from '../../cgroup/cgroup.js';
import type { OverlayFs } from '../../filesystem/overlay-fs.js';
import type { Image } from '../../image/image.js';
import type { Namespace } from '../../namespace/namespace.js';
import { egress } from '../../network/egress/egress-options.js';
import { aliases } from '../../network/names/aliases.js';
import { portMappings } from '../../network/ports/port-mapping.js';
import { bandwidth } from '../../network/traffic/bandwidth.js';
import type { NetworkOwner } from '../../network/veth-options.js';
import { absolutePath, groupName, handle, id, isGroupName, text, word } from '../../options/common-schemas.js';
import { limitsShape } from '../../options/limits.js';
import type { ProgressEvent } from '../../options/progress.js';
import { sizeSchema } from '../../options/size.js';
import { type NamespaceType, namespaceTypes } from '../../plan/namespace-types.js';
import { processShape, terminalShape } from '../../process/options/process-options.js';
import type { DenialListener } from '../../security/denials/denial-event.js';
import { profileField } from '../../security/oci-profile/profile-field.js';
import { CONTAINER_NAME } from './container-name.js';
import { landlockShape } from './landlock-shape.js';
import { lifecycleShape } from './lifecycle-options.js';
import { mountSchema, tmpfsOptions } from './mount-options.js';
import { target } from './mount-target.js';
import { hostPorts, ip, networkSchema } from './network-option.js';
import { profileNames } from './profiles.js';
import { tidied } from './tidied.js';
import { usernsSchema } from './userns-option.js';
import { volumeSchema } from './volume-option.js';

const namespace = handle<Namespace>(
  (value) => 'fd' in value && 'inode' in value && 'type' in value && namespaceTypes.some((type) => type === value.type),
  'a Namespace',
);
const cgroup = z.union([
  groupName,
  handle<Cgroup>((value) => 'name' in value && isGroupName(value.name) && 'paths' in value && 'controllers' in value, 'a Cgroup'),
]);
const image = z.union([word, handle<Image>((value) => 'digest' in value && 'layers' in value, 'an Image')]);
const rootfs = z.union([absolutePath, handle<OverlayFs>((value) => 'lower' in value && 'upper' in value, 'an OverlayFs')]);
const container = handle<NetworkOwner>((value) => 'namespace' in value && typeof value.namespace === 'function', 'a Container');

/** The schema of an option for a namespace: 'new', 'host', or a Namespace of that type. */
function joined(type: NamespaceType) {
  return z
    .union([z.enum(['new', 'host']), namespace], { error: "must be 'new', 'host' or a Namespace" })
    .refine((value) => typeof value === 'string' || value.type === type, `must be a Namespace of type '${type}'`)
    .optional();
}

const hostName = text
  .refine((name) => Buffer.byteLength(name) <= 64, 'must be at most 64 bytes long')
  .refine((name) => /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(name), "must be made of letters, digits, '-', '_' and '.'");

const address = text.refine((value) => isIP(value) !== 0, 'must be an IP address');

const access = z.string().regex(/^(?!.*(.).*\1)[rwm]+$/, "must be made of 'r', 'w' and 'm'");

export interface ParsedDevice {
  readonly path: string;
  readonly target: string;
  readonly access: string;
}

const deviceObject = z
  .strictObject({ path: absolutePath, target: absolutePath.optional(), access: access.optional() })
  .transform((device): ParsedDevice => ({ path: device.path, target: device.target ?? device.path, access: device.access ?? 'rwm' }));

/** docker's `--device`: 'path', 'path:target', 'path:access' or 'path:target:access'. */
const device = z.union([
  deviceObject,
  text.transform((value, context): ParsedDevice => {
    const [path, second, third, ...rest] = value.split(':');
    const short = second !== undefined && third === undefined && !second.startsWith('/');
    const parsed = deviceObject.safeParse({ path, target: short ? undefined : second, access: short ? second : third });
    if (parsed.success && rest.length === 0) return parsed.data;
    context.addIssue(`must be 'path', 'path:target' or 'path:target:access', not ${JSON.stringify(value)}`);
    return z.NEVER;
  }),
]);

export interface ParsedCopyIn {
  /** Absolute, on the host; `null` with content. */
  readonly source: string | null;
  /** `null` with a source. */
  readonly content: Uint8Array | null;
  /** `null`: as the source has it. */
  readonly mode: number | null;
  /** `null`: the container's user's. */
  readonly uid: number | null;
  readonly gid: number | null;
}

const content = z.custom<string | Uint8Array>(
  (value) => typeof value === 'string' || types.isUint8Array(value),
  'must be a string or bytes',
);

function bytes(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? Buffer.from(value) : value;
}

const copyInForms = z.union([
  z
    .strictObject({
      source: absolutePath.optional(),
      content: content.optional(),
      mode: z.int().min(0).max(0o7777).optional(),
      uid: id.optional(),
      gid: id.optional(),
    })
    .transform((file, context): ParsedCopyIn => {
      if ((file.source === undefined) === (file.content === undefined)) context.addIssue('must have one of source and content');
      return {
        source: file.source ?? null,
        content: file.content === undefined ? null : bytes(file.content),
        mode: file.mode ?? (file.source === undefined ? 0o644 : null),
        uid: file.uid ?? null,
        gid: file.gid ?? null,
      };
    }),
  content.transform((value): ParsedCopyIn => ({ source: null, content: bytes(value), mode: 0o644, uid: null, gid: null })),
]);
/** Bytes are wrapped first: in a plain object, each byte would be looked at as an unknown key. */
export const copyIn = z.preprocess((value) => (types.isUint8Array(value) ? { content: value } : value), copyInForms);

/** Seconds that, added to any clock, stay in the kernel's range (KTIME_SEC_MAX halved). */
const offset = z.number().min(-4e12).max(4e12);

/** The keys of RunOptions that are the container's own. */
export const containerShape = {
  profile: z.enum(profileNames).optional(),
  image: image.optional(),
  pull: z.enum(['missing', 'never', 'always']).optional(),
  rootfs: rootfs.optional(),
  upper: z.enum(['tmpfs', 'disk']).optional(),
  upperSize: sizeSchema(4096).optional(),
  readOnly: z.boolean().optional(),
  command: z.array(text).optional(),
  entrypoint: z.array(text).optional(),
  hostname: hostName.optional(),
  domainname: hostName.optional(),
  name: text.regex(CONTAINER_NAME, "must be at most 128 letters, digits, '_', '.' and '-', the first a letter or digit").optional(),
  labels: z.record(text, text).optional(),
  init: z.boolean().optional(),
  namespaces: z
    .strictObject({
      mnt: joined('mnt'),
      pid: joined('pid'),
      net: joined('net'),
      ipc: joined('ipc'),
      uts: joined('uts'),
      user: joined('user'),
      cgroup: joined('cgroup'),
      time: joined('time'),
    })
    .optional(),
  userns: usernsSchema.optional(),
  timeOffsets: z.strictObject({ monotonic: offset.optional(), boottime: offset.optional() }).optional(),
  cgroup: cgroup.optional(),
  cgroupParent: cgroup.optional(),
  network: networkSchema(namespace, container).optional(),
  ip: ip.optional(),
  aliases: aliases.optional(),
  bandwidth: bandwidth.optional(),
  ports: portMappings.optional(),
  dns: z.array(address).optional(),
  extraHosts: z
    .record(hostName, address, { error: (issue) => (issue.code === 'invalid_key' ? "has a host name that can't be one" : undefined) })
    .optional(),
  hostPorts: hostPorts.optional(),
  egress: egress.optional(),
  mounts: z.array(mountSchema).optional(),
  volumes: z.array(volumeSchema).optional(),
  tmpfs: z.record(text, tmpfsOptions).optional(),
  copyIn: z.record(text, copyIn).optional(),
  copyOut: z.array(target).optional(),
  copyOutMax: sizeSchema().optional(),
  capAdd: z.array(word).optional(),
  capDrop: z.array(word).optional(),
  noNewPrivileges: z.boolean().optional(),
  seccomp: z.union([word, profileField.schema()]).optional(),
  maskedPaths: z.array(absolutePath.transform(tidied)).optional(),
  readonlyPaths: z.array(absolutePath.transform(tidied)).optional(),
  sysctls: z.record(word, text).optional(),
  devices: z.array(device).optional(),
  oomScoreAdj: z.int().min(-1000).max(1000).optional(),
  ...landlockShape,
  ...lifecycleShape,
  detach: z.boolean().optional(),
  autoRemove: z.boolean().optional(),
  logging: z.strictObject({ maxSize: sizeSchema(4096).optional(), maxFiles: z.int().min(1).max(10_000).optional() }).optional(),
  onDenied: z.custom<DenialListener>((value) => typeof value === 'function', 'must be a function').optional(),
  onUnsupported: z.enum(['error', 'report']).optional(),
  onProgress: z.custom<(event: ProgressEvent) => void>((value) => typeof value === 'function', 'must be a function').optional(),
};

export const runObject = z.strictObject({ ...limitsShape, ...processShape, ...terminalShape, ...containerShape });

/** RunOptions whose every option is right by itself. */
export type CheckedRun = z.output<typeof runObject>;
