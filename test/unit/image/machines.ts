import { posix } from 'node:path';
import type { HostEntry, HostProbe } from '../../../lib/image/host/host-probe.js';

// /proc/self/mountinfo of machines of several kinds, cut to what matters.

export const plainDebian = `22 28 0:20 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
23 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
24 28 0:5 / /dev rw,nosuid,relatime shared:2 - devtmpfs udev rw,size=1000k,mode=755
25 24 0:22 / /dev/pts rw,nosuid,noexec,relatime shared:3 - devpts devpts rw,gid=5,mode=620
26 28 0:23 / /run rw,nosuid,nodev,noexec,relatime shared:5 - tmpfs tmpfs rw,size=1000k,mode=755
28 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 24 0:25 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw
31 26 0:26 / /run/lock rw,nosuid,nodev,noexec,relatime shared:6 - tmpfs tmpfs rw,size=5120k
32 22 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw
40 28 8:15 / /boot/efi rw,relatime shared:50 - vfat /dev/sda15 rw,fmask=0077
`;

export const separateMounts = `${plainDebian}41 28 8:2 / /usr ro,relatime shared:51 - ext4 /dev/sda2 ro
42 28 8:3 / /var rw,nosuid,nodev,relatime shared:52 - xfs /dev/sda3 rw
43 28 8:4 / /home rw,relatime shared:53 - ext4 /dev/sda4 rw
44 42 8:5 / /var/tmp rw,noexec,relatime shared:54 - ext4 /dev/sda5 rw
45 28 8:4 /alice/www /srv/www rw,relatime shared:53 - ext4 /dev/sda4 rw
46 28 8:1 / /mnt/host\\040root rw,relatime shared:1 - ext4 /dev/sda1 rw
`;

export const docker = `900 800 0:80 / / rw,relatime master:300 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/A,upperdir=/u,workdir=/w
901 900 0:81 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
902 900 0:82 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
903 902 0:83 / /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5
904 900 0:84 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro
905 900 8:1 /var/lib/docker/containers/c/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/sda1 rw
906 900 8:1 /var/lib/docker/containers/c/hostname /etc/hostname rw,relatime - ext4 /dev/sda1 rw
907 900 8:1 /var/lib/docker/containers/c/hosts /etc/hosts rw,relatime - ext4 /dev/sda1 rw
908 900 8:1 /srv/settings.toml /etc/settings.toml ro,relatime - ext4 /dev/sda1 rw
909 900 8:1 /var/lib/docker/volumes/v/_data /data rw,relatime - ext4 /dev/sda1 rw
910 901 0:81 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw
`;

export const kubernetes = `${docker}920 900 0:90 / /run/secrets/kubernetes.io/serviceaccount ro,relatime - tmpfs tmpfs rw
921 900 0:91 / /etc/db-password ro,relatime - tmpfs tmpfs rw
922 900 8:1 /var/lib/kubelet/pods/p/volumes/config /etc/config ro,relatime - ext4 /dev/sda1 rw
`;

export const snaps = `${plainDebian}60 28 7:0 / /snap/core22/1380 ro,nodev,relatime shared:70 - squashfs /dev/loop0 ro
61 28 7:1 / /snap/lxd/24322 ro,nodev,relatime shared:71 - squashfs /dev/loop1 ro
62 28 0:40 / /var/lib/lxcfs rw,nosuid,nodev,relatime - fuse.lxcfs lxcfs rw
`;

/** docker run --init in a machine whose /var is in parts already, and has a socket mounted. */
export const dockerInit = `${docker}930 900 8:1 /usr/bin/docker-init /usr/sbin/docker-init ro,relatime - ext4 /dev/sda1 rw
931 900 8:7 / /var/log rw,relatime - ext4 /dev/sda7 rw
932 900 0:23 /docker.sock /docker.sock rw,relatime - ext4 /dev/sda1 rw
`;

export const wsl = `60 40 8:48 / / rw,relatime - ext4 /dev/sdd rw,discard,errors=remount-ro,data=ordered
61 60 0:30 / /mnt/wsl rw,relatime shared:1 - tmpfs none rw
62 60 0:32 / /usr/lib/wsl/drivers ro,nosuid,nodev,noatime - 9p drivers ro,aname=drivers;fmask=222;dmask=222
63 60 0:34 / /usr/lib/wsl/lib rw,nosuid,nodev,noatime - overlay none rw,lowerdir=/gpu_lib_packaged,upperdir=/u,workdir=/w
64 60 0:37 / /init ro,relatime - rootfs rootfs rw,size=1000k
65 60 0:5 / /dev rw,nosuid,relatime - devtmpfs none rw,size=1000k,mode=755
66 60 0:20 / /sys rw,nosuid,nodev,noexec,noatime - sysfs sysfs rw
67 60 0:21 / /proc rw,nosuid,nodev,noexec,noatime - proc proc rw
68 60 0:22 / /run rw,nosuid,nodev - tmpfs none rw,mode=755
69 60 0:50 / /mnt/c rw,noatime - 9p C:\\134 rw,dirsync,aname=drvfs
70 60 0:30 / /mnt/wslg rw,relatime shared:2 - tmpfs none rw
`;

/**
 * A machine that has the given paths, and the folders above them. A path with '/' at its end is a folder, 'a -> b' a link, 'a = 5' a file of so
 * many bytes, 'a closed' one that may be neither read nor searched, 'a listed by nobody' one that may be searched alone, 'a socket' a socket.
 */
export function probeOf(...paths: string[]): HostProbe {
  const entries = new Map<string, HostEntry>();
  const targets = new Map<string, string>();
  const closed = new Set<string>();
  const unread = new Set<string>();
  const folder: HostEntry = { kind: 'folder', mode: 0o755, uid: 0, gid: 0, size: 4096 };
  const addFolder = (path: string): void => {
    if (path !== '/') addFolder(posix.dirname(path));
    const isPublic = path === '/tmp' || path === '/var/tmp';
    if (!entries.has(path)) entries.set(path, isPublic ? { ...folder, mode: 0o1777 } : folder);
  };
  for (const text of paths) {
    const [, name = '', what = ''] = /^(\/\S*(?: (?!->|=|closed|listed|socket)\S+)*)(?: (.*))?$/.exec(text) ?? [];
    const path = name === '/' || !name.endsWith('/') ? name : name.slice(0, -1);
    addFolder(name.endsWith('/') ? path : posix.dirname(path));
    if (what === 'closed') closed.add(path);
    if (what === 'closed' || what === 'listed by nobody') unread.add(path);
    if (what.startsWith('-> ')) {
      entries.set(path, { ...folder, kind: 'link', mode: 0o777 });
      targets.set(path, what.slice(3));
    } else if (!name.endsWith('/')) {
      const size = what.startsWith('= ') ? Number(what.slice(2)) : 10;
      entries.set(path, { kind: what === 'socket' ? 'other' : 'file', mode: 0o644, uid: 0, gid: 0, size });
    }
  }
  addFolder('/');
  const real = (path: string, links = 0): string | null => {
    if (path === '/') return '/';
    const above = real(posix.dirname(path), links);
    if (above === null || closed.has(above) || links > 40) return null;
    const named = posix.join(above, posix.basename(path));
    const target = targets.get(named);
    if (target) return real(posix.resolve(above, target), links + 1);
    return entries.has(named) ? named : null;
  };
  const named = (path: string): string | null => {
    const above = path === '/' ? '/' : real(posix.dirname(path));
    return above === null || (path !== '/' && closed.has(above)) ? null : posix.join(above, posix.basename(path));
  };
  const list = (path: string): string[] => {
    if (unread.has(path)) return [];
    const within = [...entries.keys()].filter((candidate) => candidate !== '/' && posix.dirname(candidate) === path);
    return within.map((candidate) => posix.basename(candidate));
  };
  return {
    real: (path) => real(path),
    entry: (path) => entries.get(named(path) ?? '') ?? null,
    link: (path) => targets.get(named(path) ?? '') ?? null,
    list,
    isEmpty: (path) => !unread.has(path) && list(path).length === 0,
    mayRead: (path) => !unread.has(path),
    maySearch: (path) => !closed.has(path),
  };
}
