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
import { absolutePath, groupName, handle, isGroupName, text, word } from '../../options/common-schemas.js';
import { limitsShape } from '../../options/limits.js';
import { optionalSchemas } from '../../options/option-fields.js';
import { sizeSchema } from '../../options/size.js';
import { type NamespaceType, namespaceTypes } from '../../plan/namespace-types.js';
import { processShape, terminalShape } from '../../process/options/process-options.js';
import { profileField } from '../../security/oci-profile/profile-field.js';
import { address, containerFields, hostName } from './container-fields.js';
import { landlockShape } from './landlock-shape.js';
import { lifecycleShape } from './lifecycle-options.js';
import { hostPorts, ip, networkSchema } from './network-option.js';
import { usernsSchema } from './userns-option.js';

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

/** Seconds that, added to any clock, stay in the kernel's range (KTIME_SEC_MAX halved). */
const offset = z.number().min(-4e12).max(4e12);

/** The keys of RunOptions that are the container's own. */
export const containerShape = {
  ...optionalSchemas(containerFields),
  image: image.optional(),
  rootfs: rootfs.optional(),
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
  extraHosts: z
    .record(hostName.schema(), address.schema(), {
      error: (issue) => (issue.code === 'invalid_key' ? "has a host name that can't be one" : undefined),
    })
    .optional(),
  hostPorts: hostPorts.optional(),
  egress: egress.optional(),
  seccomp: z.union([word, profileField.schema()]).optional(),
  devices: z.array(device).optional(),
  ...landlockShape,
  ...lifecycleShape,
  logging: z.strictObject({ maxSize: sizeSchema(4096).optional(), maxFiles: z.int().min(1).max(10_000).optional() }).optional(),
};

export const runObject = z.strictObject({ ...limitsShape, ...processShape, ...terminalShape, ...containerShape });

/** RunOptions whose every option is right by itself. */
export type CheckedRun = z.output<typeof runObject>;
