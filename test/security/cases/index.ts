import type { Attack } from '../attack.js';
import { builds } from './builds.js';
import { bundles } from './bundles.js';
import { descriptors } from './descriptors.js';
import { devices } from './devices.js';
import { filesInAndOut } from './files-in-and-out.js';
import { layers } from './layers.js';
import { lifetime } from './lifetime.js';
import { mounts } from './mounts.js';
import { namespaces } from './namespaces.js';
import { networks } from './networks.js';
import { pools } from './pools.js';
import { proc } from './proc.js';
import { setUp } from './set-up.js';
import { syscalls } from './syscalls.js';
import { untrusted } from './untrusted.js';
import { upper } from './upper.js';
import { users } from './users.js';

/** All attacks, by what they go for. */
export const attacks: Readonly<Record<string, readonly Attack[]>> = {
  'System calls': syscalls,
  '/proc and /sys': proc,
  Mounts: mounts,
  'While a container is made': setUp,
  Devices: devices,
  'Descriptors and streams': descriptors,
  'Users and capabilities': users,
  Namespaces: namespaces,
  Networks: networks,
  'Layers of images': layers,
  'Files in and out': filesInAndOut,
  'Changes and layers of containers': upper,
  'Dockerfiles and contexts': builds,
  'Bundles of nacelle-oci': bundles,
  'Limits and lifetime': lifetime,
  'Containers made before they are needed': pools,
  "With profile: 'untrusted'": untrusted,
};
