/** The eight types of namespace, by their names in /proc/PID/ns (namespaces(7)). */
export const namespaceTypes = ['mnt', 'pid', 'net', 'ipc', 'uts', 'user', 'cgroup', 'time'] as const;

export type NamespaceType = (typeof namespaceTypes)[number];
