import type { Base, GroupLayout } from '../../../lib/host/cgroup-base.js';
import { type CgroupLayout, parseCgroupLayout } from '../../../lib/host/cgroup-layout.js';

/** What machines of several kinds say of their cgroups. */
export interface Machine {
  mountinfo: string;
  membership: string;
  /** cgroup.controllers by folder. */
  controllers: Record<string, string>;
}

/** Some controllers of v1, hugetlb left to v2, nothing managed by systemd. */
export const hybrid: Machine = {
  mountinfo: `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`,
  membership: `9:name=systemd:/
8:pids:/
5:devices:/
4:memory:/session/a97e
3:cpuset:/
2:cpuacct:/
1:cpu:/
0::/
`,
  controllers: { '/sys/fs/cgroup/unified': 'hugetlb\n' },
};

/** Debian 12 or Fedora: a login session. */
export const systemd: Machine = {
  mountinfo: `26 24 0:23 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
`,
  membership: '0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-u5.service\n',
  controllers: {
    '/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/run-u5.service': 'cpu memory pids\n',
  },
};

/** CentOS 7: hierarchies with several controllers each, and no v2. */
export const v1: Machine = {
  mountinfo: `25 18 0:21 / /sys/fs/cgroup/systemd rw,nosuid,nodev,noexec,relatime shared:9 - cgroup cgroup rw,xattr,release_agent=/usr/lib/systemd/systemd-cgroups-agent,name=systemd
28 24 0:24 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:10 - cgroup cgroup rw,cpuacct,cpu
30 24 0:26 / /sys/fs/cgroup/net_cls,net_prio rw,nosuid,nodev,noexec,relatime shared:12 - cgroup cgroup rw,net_prio,net_cls
31 24 0:27 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:13 - cgroup cgroup rw,memory
32 24 0:28 / /sys/fs/cgroup/pids rw,nosuid,nodev,noexec,relatime shared:14 - cgroup cgroup rw,pids
`,
  membership: `11:pids:/
10:memory:/system.slice/my:job.service
4:net_prio,net_cls:/
3:cpuacct,cpu:/system.slice/my:job.service
1:name=systemd:/system.slice/my:job.service
`,
  controllers: {},
};

/** Docker on v1 without a cgroup namespace: the container's own folder is mounted, read-only. */
export const dockerV1: Machine = {
  mountinfo: `1290 1289 0:30 /docker/4f0c /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:17 - cgroup memory rw,memory
1291 1289 0:31 /docker/4f0c /sys/fs/cgroup/pids ro,nosuid,nodev,noexec,relatime master:18 - cgroup pids rw,pids
`,
  membership: `5:memory:/docker/4f0c
4:pids:/docker/4f0c/child
`,
  controllers: {},
};

/** Docker on v2 with a cgroup namespace. */
export const dockerV2: Machine = {
  mountinfo: '635 634 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n',
  membership: '0::/\n',
  controllers: { '/sys/fs/cgroup': 'cpuset cpu io memory hugetlb pids\n' },
};

/** unshare --cgroup without a new mount: the mount shows what is above the namespace. */
export const outside: Machine = {
  mountinfo: '26 24 0:23 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n',
  membership: '0::/\n',
  controllers: { '/sys/fs/cgroup': 'cpu memory pids\n' },
};

export function layoutOf({ mountinfo, membership, controllers }: Machine): CgroupLayout {
  return parseCgroupLayout(mountinfo, membership, (folder) => controllers[folder] ?? '');
}

/** A layout in which every hierarchy's base is this process's own group. */
export function groupLayoutOf(
  machine: Machine,
  {
    swap = { total: 0, accounted: true },
    bases = {},
    withheld = null,
  }: { swap?: GroupLayout['swap']; bases?: Record<string, Base>; withheld?: GroupLayout['withheld'] } = {},
): GroupLayout {
  const layout = layoutOf(machine);
  const all = new Set([...layout.controllers.values(), ...(layout.unified ? [layout.unified] : [])]);
  const own = [...all].map(({ mountPoint, ownPath }): [string, Base] => [mountPoint, { path: ownPath ?? mountPoint }]);
  return { ...layout, bases: new Map([...own, ...Object.entries(bases)]), withheld, swap };
}
