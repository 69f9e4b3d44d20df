/** An attack that another test tries, which has more to look at than whether it succeeds. */
export interface Elsewhere {
  readonly attack: string;
  readonly source: string;
  /** Below test/integration. */
  readonly file: string;
  /** Words of the test's name, as they stand in the file. */
  readonly test: string;
}

const row = (attack: string, source: string, file: string, test: string): Elsewhere => ({ attack, source, file, test });

export const elsewhere: readonly Elsewhere[] = [
  row(
    'uses up what the kernel counts for the host’s root: inotify instances',
    'denial of service',
    'container/untrusted.test.ts',
    'use up what the kernel counts for the host’s root',
  ),
  row(
    'calls any of the system calls that nobody needs, by each of the three entries of x86-64',
    'system calls',
    'container/security.test.ts',
    'refuses every call of the table through %s',
  ),
  row(
    'makes a call with arguments at which a filter looks only half',
    'system calls',
    'seccomp.test.ts',
    'looks at the half of a register',
  ),
  row('sets a sysctl that is the host’s', 'options', 'container/security.test.ts', 'of the host is refused'),
  row('is an i386 program that calls by socketcall(2)', 'system calls', 'seccomp.test.ts', 'socketcall(2)'),
  row(
    'speaks for init, or for who is set up',
    'an attack on an earlier version',
    'container/hostile-program.test.ts',
    'speaks for init, with CAP_SYS_PTRACE',
  ),
  row(
    'hands a folder over as a group',
    'an attack on an earlier version',
    'container/hostile-program.test.ts',
    'hands a folder of its own over as the group',
  ),
  row(
    'hands descriptors over for which the shim would wait',
    'SO_PASSRIGHTS',
    'container/hostile-program.test.ts',
    'hands the shim no descriptor',
  ),
  row(
    'hands a connection over for whose close whoever hears of READY=1 would wait',
    'SO_LINGER',
    'oci/oci-notify.test.ts',
    'hears of a container that is ready, whatever came before with a message',
  ),
  row('stops its init, or whoever comes into its pid namespace', 'SIGSTOP', 'container/hostile-program.test.ts', 'has all stand still'),
  row('kills whoever joins', 'kill -1', 'container/exec-attacks.test.ts', 'that kills all it sees harms nobody else'),
  row(
    'forks without end while others join',
    'fork bomb',
    'container/exec-attacks.test.ts',
    'that forks without end leaves each call an answer',
  ),
  row(
    'holds the pid namespace of others',
    'an attack on an earlier version',
    'container/ways-out.test.ts',
    'is held by a process that has no right',
  ),
  row(
    'leads a sysctl elsewhere by a link at /proc',
    'CVE-2025-52881',
    'container/ways-out.test.ts',
    'leads no sysctl elsewhere by a link at /proc',
  ),
  row(
    'gets a socket between Node and the shim as a stream',
    'an attack on an earlier version',
    'container/ways-out.test.ts',
    'a socket between Node and the shim is refused',
  ),
  row(
    'gets the process number of one that has ended',
    'an attack on an earlier version',
    'container/ended.test.ts',
    'also when its number is that of another process',
  ),
  row(
    'clears its death signal, in a group of the caller’s',
    'an attack on an earlier version',
    'lifetime.test.ts',
    'a program that no parent death ends dies with the shim',
  ),
  row('nests folders deeper than there are descriptors', 'clean-up', 'container/hostile-program.test.ts', 'nests folders deeper'),
  row(
    'makes 3,000 names of what is copied out',
    'an attack on an earlier version',
    'container/copy-out.test.ts',
    'bounds names as well as contents',
  ),
  row(
    'makes a terabyte of nothing, a loop or a socket of it',
    'an attack on an earlier version',
    'container/copy-out.test.ts',
    'links in a circle, a terabyte of nothing',
  ),
  row(
    'swaps a parent for a link while a layer is unpacked',
    'races',
    'layer/hostile.test.ts',
    'a writer that swaps a parent for a symlink meanwhile',
  ),
  row('has names that are none, or too long', 'layers', 'layer/hostile.test.ts', 'a component of 300 bytes'),
  row('has two names that differ in invalid UTF-8', 'layers', 'layer/hostile.test.ts', 'invalid UTF-8 twins are two files'),
  row(
    'has sizes that are negative, huge or no numbers',
    'layers',
    'layer/hostile.test.ts',
    'sizes: negative, huge, base-256, not a number',
  ),
  row('has a size in PAX that differs from the header’s', 'layers', 'layer/hostile.test.ts', 'a PAX size counts, as in GNU tar'),
  row('has PAX records with a NUL, a newline or a wrong length', 'layers', 'layer/hostile.test.ts', 'a NUL in a path'),
  row('has file, folder and file at one name', 'layers', 'layer/hostile.test.ts', 'file, folder, file at one name'),
  row('has a file capability, which is kept to the byte', 'layers', 'layer/unpack.test.ts', 'security.capability has its exact bytes'),
  row('has whiteouts of nothing, or of all', 'layers', 'layer/whiteouts.test.ts', '%s is refused'),
  row('is cut off, or has a wrong checksum', 'layers', 'image/open.test.ts', 'publishes nothing of a layer with %s'),
  row('is sent by a registry without end', 'an attack on an earlier version', 'image/bounds.test.ts', 'is bounded'),
  row(
    'says control characters of itself',
    'an attack on an earlier version',
    'container/hostile-image.test.ts',
    'goes into no message as it is',
  ),
  row('leads set-up from one mount into another', 'links', 'container/links-between-mounts.test.ts', 'leads no set-up there'),
  row('is started from a Worker that ends', 'lifetime', 'workers.test.ts', 'takes its own containers along'),
  row('SIGKILL of Node, or of Node and the shim, at random instants', 'lifetime', 'lifetime.test.ts', 'SIGKILL of Node'),
  row(
    'sends frames with the MAC or IP address of another, or as a router',
    'ARP and neighbour spoofing',
    'network-rules.test.ts',
    'lets a container send what is its own alone',
  ),
  row(
    'removes a link of this machine by way of its own, by netlink',
    'IFLA_TARGET_NETNSID, rtnetlink(7)',
    'host-links.test.ts',
    'are out of reach, but for NET_ADMIN without a user namespace, as is documented',
  ),
  row(
    'reaches another network, or out of an internal one',
    'isolation of networks',
    'network-rules.test.ts',
    'leads out by the address of the machine, and is apart from others; one that is internal leads nowhere',
  ),
  row(
    'sends to the loopback of this machine where a port is published there',
    'CVE-2020-8558',
    'ports.test.ts',
    'at the loopback do not open it to containers',
  ),
  row(
    'reaches a published port of the loopback, or a container, by frames from another machine',
    'route_localnet',
    'ports.test.ts',
    'are reached from where they are shown, by all protocols and families, and from nowhere else',
  ),
  row(
    "reaches a port of a user's container at the loopback by frames from another machine, where route_localnet opens it",
    'route_localnet',
    'rootless-ports.test.ts',
    'are at the addresses that were asked for, and at no other, whatever frames are sent',
  ),
  row(
    "takes over a process that carries ports of a user's networks",
    'ports without root',
    'rootless-ports.test.ts',
    'go on when what carries them is killed, and their holder, and are free when their shim is',
  ),
  row(
    'reaches the ports of the caller that another container has',
    'hostPorts',
    'container/host-ports.test.ts',
    "are nobody else's on a network, but for who shares the namespace",
  ),
  row(
    'gets out by what its list does not allow: metadata, other resolvers, DoH, QUIC, tunnels, rebinding, and 40 more ways',
    'egress',
    'egress/containers.test.ts',
    'finds no way around it, and each refusal is told',
  ),
  row(
    'gets out by its place in a network, as root of its network namespace: other protocols, frames, routes, peers that route, this machine, what others publish',
    'egress',
    'egress/networks.test.ts',
    'finds none when it takes away the rules in its own network namespace',
  ),
  row(
    'takes over the process that reads what containers send, and makes connections',
    'hostPorts and egress',
    'container/host-ports.test.ts',
    'are carried by processes without rights, of which the one that reads can make no socket',
  ),
  row(
    'takes over that process, and connects by sending',
    'MSG_FASTOPEN',
    'relay/connector.test.ts',
    'is killed when it sends in a way that connects',
  ),
  row(
    'takes over that process, and asks the one that connects for what another container may',
    'egress',
    'relay/connector.test.ts',
    'goes where the very socket may go, and nowhere else',
  ),
  row(
    'takes over the process that answers about names',
    'DNS',
    'names/server.test.ts',
    'has no rights, serves other network namespaces, and ends with the shim',
  ),
  row(
    'asks about names so that others get no answers',
    'denial of service',
    'names/server.test.ts',
    'lets no client harm another, whatever it wants',
  ),
  row(
    'forges the kernel’s answers by netlink',
    'netlink(7): whoever may send is no kernel',
    'forged-netlink.test.ts',
    'is none to a request',
  ),
  row(
    'has ADD of a URL led to where a cloud tells a machine its secrets',
    'server-side request forgery',
    'build-network.test.ts',
    'of a bridge comes from an address there, and asks for names there',
  ),
  row('answers ADD of a URL without end', 'denial of service', 'build-fetch.test.ts', 'gives a server up that %s'),
  row(
    'has a submodule whose name or tree is a path to git’s own files',
    'CVE-2018-11235, CVE-2014-9390',
    'build-git.test.ts',
    'a repository reaches nothing of this machine, and runs nothing',
  ),
  row(
    'has a submodule whose URL is an option of ssh, or takes the agent elsewhere',
    'CVE-2017-1000117',
    'build-git-ssh.test.ts',
    'a repository takes the agent to no other server, and has ssh run nothing',
  ),
  row('starts a thousand times', 'lifetime', 'endurance.test.ts', 'leave no descriptor, thread, mount, group or memory'),
];
