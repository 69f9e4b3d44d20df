import { appliedMountOptions } from '../oci-config/bundle-mount-options.js';
import { memoryFlags, memoryModes } from '../oci-config/memory-policy.js';
import { namespaceNames } from '../oci-config/namespace-names.js';
import { capabilityNames } from '../plan/capability-names.js';
import { actionNames, architectureNames } from '../security/oci-profile/field-names.js';
import { OCI_VERSION } from './create-facts.js';

/** What `features` prints (features.md of the runtime spec). Pure. */
export function featuresText(): string {
  return JSON.stringify(
    {
      ociVersionMin: '1.0.0',
      ociVersionMax: OCI_VERSION,
      hooks: ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'],
      mountOptions: appliedMountOptions,
      linux: {
        namespaces: [...namespaceNames].sort(),
        capabilities: capabilityNames.map((name) => `CAP_${name}`),
        cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
        seccomp: {
          enabled: true,
          actions: Object.keys(actionNames),
          operators: ['NE', 'LT', 'LE', 'EQ', 'GE', 'GT', 'MASKED_EQ'].map((name) => `SCMP_CMP_${name}`),
          archs: architectureNames,
        },
        apparmor: { enabled: true },
        selinux: { enabled: true },
        intelRdt: { enabled: false },
        memoryPolicy: { modes: memoryModes, flags: memoryFlags },
        mountExtensions: { idmap: { enabled: true } },
        netDevices: { enabled: true },
      },
    },
    null,
    2,
  );
}

export interface SpecWishes {
  /** runc's has one on pure cgroup v2 alone. */
  readonly cgroupNamespace?: boolean;
  /** `--rootless`: the user and group who will run the bundle, and are its root. */
  readonly rootless?: { readonly uid: number; readonly gid: number } | null;
}

/** What `spec` writes: runc's, which is what people start from. Pure. */
export function specText({ cgroupNamespace = true, rootless = null }: SpecWishes = {}): string {
  const capabilities = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'];
  const config = {
    ociVersion: OCI_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ['sh'],
      env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'TERM=xterm'],
      cwd: '/',
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'nacelle',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
      {
        ...{ destination: '/dev/pts', type: 'devpts', source: 'devpts' },
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', ...(rootless === null ? ['gid=5'] : [])],
      },
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'] },
      { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
      rootless === null
        ? { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] }
        : // sysfs shows the devices of the network namespace, which is the host's
          { destination: '/sys', type: 'none', source: '/sys', options: ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'] },
      { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'] },
    ],
    linux: {
      ...(rootless === null
        ? { resources: { devices: [{ allow: false, access: 'rwm' }] } }
        : { uidMappings: singleMapping(rootless.uid), gidMappings: singleMapping(rootless.gid) }),
      namespaces: [
        ...(rootless === null ? ['pid', 'network'] : ['pid']),
        ...['ipc', 'uts', 'mount', ...(cgroupNamespace ? ['cgroup'] : []), ...(rootless === null ? [] : ['user'])],
      ].map((type) => ({ type })),
      maskedPaths: [
        ...['/proc/acpi', '/proc/asound', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list'],
        ...['/proc/timer_stats', '/proc/sched_debug', '/sys/firmware', '/proc/scsi'],
      ],
      readonlyPaths: ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'],
    },
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** config.json's map of one id, which is root inside. */
const singleMapping = (hostID: number) => [{ containerID: 0, hostID, size: 1 }];
