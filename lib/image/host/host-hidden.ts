import { SYSTEM_FOLDERS } from '../../plan/constants.js';

/**
 * What the host image hides by default. '*' stands for any part of one name. Only what exists is hidden. This keeps credentials from a
 * program, but not all that root may read: databases, mail and /srv are seen.
 */
export const HIDDEN: readonly string[] = [
  // private folders and run-time state
  ...['/root', '/home', '/run', '/tmp', '/var/tmp'],
  // passwords, and the copies of them that Debian keeps in /var/backups
  ...['/etc/shadow', '/etc/shadow-', '/etc/gshadow', '/etc/gshadow-', '/etc/security/opasswd', '/var/backups', '/etc/tcb'],
  ...['/etc/sudoers', '/etc/sudoers.d', '/etc/sudo.conf', '/etc/sudo_logsrvd.conf', '/etc/doas.conf', '/var/lib/sudo', '/var/db/sudo'],
  // private keys
  ...['/etc/ssh/ssh_host_*_key', '/etc/ssl/private', '/etc/pki/*/private', '/etc/letsencrypt', '/var/lib/letsencrypt', '/var/lib/acme'],
  ...[
    '/etc/apache2/ssl',
    '/etc/nginx/ssl',
    '/etc/salt/pki',
    '/etc/puppetlabs/puppet/ssl',
    '/var/lib/puppet/ssl',
    '/etc/chef',
    '/etc/bind/rndc.key',
  ],
  ...[
    '/etc/luks',
    '/etc/keys',
    '/etc/cryptsetup-keys.d',
    '/etc/credstore',
    '/etc/credstore.encrypted',
    '/var/lib/systemd/credential.secret',
  ],
  // directory services
  ...['/etc/krb5.keytab', '/etc/krb5kdc', '/var/lib/krb5kdc', '/var/lib/sss', '/etc/sssd', '/var/lib/samba/private', '/var/lib/private'],
  // networks
  ...[
    '/etc/NetworkManager/system-connections',
    '/var/lib/NetworkManager',
    '/etc/netplan',
    '/etc/wpa_supplicant',
    '/var/lib/iwd',
    '/var/lib/bluetooth',
  ],
  ...[
    '/etc/wireguard',
    '/etc/openvpn',
    '/etc/ipsec.secrets',
    '/etc/ipsec.d/private',
    '/etc/swanctl/private',
    '/etc/ppp/*-secrets',
    '/var/lib/tailscale',
  ],
  // services that keep a password in a file
  ...[
    '/etc/mysql/debian.cnf',
    '/etc/exim4/passwd.client',
    '/etc/postfix/sasl*',
    '/etc/msmtprc',
    '/etc/davfs2/secrets',
    '/etc/apt/auth.conf',
    '/etc/apt/auth.conf.d',
  ],
  ...['/.pgpass', '/.netrc', '/.my.cnf', '/.ssh', '/.aws', '/.docker', '/.kube', '/etc/libvirt/secrets'],
  // clouds and clusters
  ...[
    '/etc/kubernetes',
    '/var/lib/kubelet',
    '/var/lib/etcd',
    '/etc/rancher',
    '/var/lib/rancher',
    '/var/snap/microk8s',
    '/etc/cni',
    '/etc/consul.d',
    '/etc/vault.d',
  ],
  ...['/var/lib/cloud', '/etc/cloud/cloud.cfg.d', '/var/lib/waagent', '/etc/boto.cfg', '/var/lib/amazon', '/etc/google'],
  // other containers and machines
  ...['/etc/docker/key.json', '/etc/docker/certs.d', '/var/lib/docker', '/var/lib/containerd', '/var/lib/containers', '/var/lib/buildkit'],
  ...['/var/lib/lxc', '/var/lib/lxd', '/var/snap/lxd', '/var/lib/incus', '/var/lib/machines', '/var/lib/libvirt'],
  // memory that was written down
  ...['/swapfile', '/swap.img', '/var/crash', '/var/lib/systemd/coredump', '/var/lib/apport'],
];

/** Paths that are hidden whatever the caller says: a container gets its own of some, and nacelle keeps data of others in the rest. */
export const ALWAYS_HIDDEN: readonly string[] = ['/dev', '/proc', '/sys', ...Object.values(SYSTEM_FOLDERS)];

/** Hidden folders that every system has: they exist inside, but empty, with their mode and owner. */
export const EMPTY: ReadonlySet<string> = new Set(['/root', '/home', '/run', '/tmp', '/var/tmp', '/dev', '/proc', '/sys']);

/** File systems of the kernel: what they show is this machine's state, not its files. A container gets its own, or none. */
export const KERNEL_TYPES: ReadonlySet<string> = new Set(
  (
    'autofs binder binfmt_misc bpf cgroup cgroup2 configfs cpuset debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nfsd nsfs ' +
    'proc pstore resctrl rpc_pipefs securityfs selinuxfs smackfs sysfs tracefs fuse.lxcfs fuse.gvfsd-fuse fuse.portal'
  ).split(' '),
);

/**
 * File systems in memory: they hold sockets, run-time state, and the secrets that Kubernetes mounts. They are shown only as the root
 * itself.
 */
export const MEMORY_TYPES: ReadonlySet<string> = new Set(['tmpfs', 'ramfs']);

/** File systems that overlayfs refuses as a lower layer: names are compared by rules of their own, or are made up on look-up. */
export const NOT_LOWER_TYPES: ReadonlySet<string> = new Set('adfs affs cifs exfat hfs hfsplus hpfs msdos ntfs ntfs3 smb3 vfat'.split(' '));

/** File systems that are never written to on the host either: a bind is as good as an overlay, and a machine with snaps has dozens. */
export const READ_ONLY_TYPES: ReadonlySet<string> = new Set('cramfs erofs iso9660 romfs squashfs udf'.split(' '));

/** Files that a container gets of its own: docker and Kubernetes mount them into what we are in. */
export const OWN_FILES: ReadonlySet<string> = new Set(['/etc/hosts', '/etc/hostname', '/etc/resolv.conf']);

/**
 * Folders of programs and their settings (hier(7)). What lies in them is bound read-only where an overlay would have to be one of many:
 * through a bind, sockets and named pipes of the host work, and here nobody talks by such.
 */
export const STATIC: readonly string[] = ['/bin', '/boot', '/etc', '/lib', '/lib32', '/lib64', '/libx32', '/sbin', '/snap', '/usr'];

/** Those of them that are an overlay wherever they can be: programs are installed and set up there. */
export const CHANGED: ReadonlySet<string> = new Set(['/etc', '/usr']);
