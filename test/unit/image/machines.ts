import { posix } from 'node:path';
import type { HostProbe } from '../../../lib/image/host/host-layout.js';

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

/** A machine that has the given paths, and the folders above them. A path with '/' at its end is a folder, 'a -> b' a link. */
export function probeOf(...paths: string[]): HostProbe {
  const folders = new Set(['/']);
  const files = new Set<string>();
  const links = new Map<string, string>();
  for (const text of paths) {
    const [path = '', target] = text.split(' -> ');
    for (let above = posix.dirname(path); above !== '/'; above = posix.dirname(above)) folders.add(above);
    if (target) links.set(path, target);
    else if (path.endsWith('/')) folders.add(path.slice(0, -1));
    else files.add(path);
  }
  const real = (path: string): string | null => {
    if (path === '/') return '/';
    const folder = real(posix.dirname(path));
    if (folder === null) return null;
    const named = posix.join(folder, posix.basename(path));
    const target = links.get(named);
    if (target) return real(posix.resolve(folder, target));
    return folders.has(named) || files.has(named) ? named : null;
  };
  return {
    real,
    entry: (path) => {
      const folder = path === '/' ? '/' : real(posix.dirname(path));
      if (folder === null) return null;
      const named = posix.join(folder, posix.basename(path));
      if (links.has(named)) return { kind: 'link', mode: 0o777, uid: 0, gid: 0 };
      if (folders.has(named)) return { kind: 'folder', mode: named === '/tmp' || named === '/var/tmp' ? 0o1777 : 0o755, uid: 0, gid: 0 };
      return files.has(named) ? { kind: 'other', mode: 0o644, uid: 0, gid: 0 } : null;
    },
    list: (path) =>
      [...folders, ...files, ...links.keys()]
        .filter((candidate) => candidate !== '/' && posix.dirname(candidate) === path)
        .map((candidate) => posix.basename(candidate)),
  };
}
