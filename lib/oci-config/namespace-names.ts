import type { NamespaceType } from '../plan/namespace-types.js';

/** The kernel's types of namespace, by the names that config.json has for them (config-linux.md, "Namespaces"). */
export const namespaceTypeOf = {
  ...{ mount: 'mnt', pid: 'pid', network: 'net', ipc: 'ipc' },
  ...{ uts: 'uts', user: 'user', cgroup: 'cgroup', time: 'time' },
} as const satisfies Readonly<Record<string, NamespaceType>>;

export type NamespaceName = keyof typeof namespaceTypeOf;

export const namespaceNames = Object.keys(namespaceTypeOf) as NamespaceName[];
