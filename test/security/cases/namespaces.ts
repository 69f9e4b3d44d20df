import { once } from 'node:events';
import { createServer } from 'node:net';
import { type ContainerOptions, Namespace, type RunOptions } from '../../../lib/index.js';
import { attack, rootOnly } from '../attack.js';
import { beside, by, program, said } from '../inside.js';
import { emptyFolder, hostFile, SECRET, withVictim } from '../outside.js';

const hostPids = { namespaces: { pid: 'host' } } as const;
const SHOW = 'head -n 1 || echo refused';

/** On a process of the host's, whose number it knows. */
const onVictim = (text: string) => (options: RunOptions) =>
  withVictim((pid) => said(['sh', '-c', text], { ...options, env: { VICTIM: String(pid), FILE: hostFile().path } }));

/** What one container puts into something that might be shared, and another one looks for. */
const shared = (kind: 'shm' | 'mq') => async (setting: { ipc?: 'shared' }) => {
  const { ipc } = await Namespace.create(['ipc']);
  await using _ipc = ipc;
  const options: ContainerOptions = { copyIn: program('escape'), namespaces: setting.ipc ? { ipc } : {} };
  return await beside({ ...options, command: ['/escape', kind, 'put'] }, async (container) => {
    await once(container.stdout ?? process, 'readable');
    return said(['/escape', kind, 'get'], options);
  });
};

const MAPS = { uidMap: [{ inside: 0, outside: 700_000, count: 65_536 }], gidMap: [{ inside: 0, outside: 700_000, count: 65_536 }] };

/** What else two containers share that are in one user namespace, beside that. */
interface Beside {
  readonly also?: 'pid' | 'pid, and CAP_SYS_PTRACE';
}

/** What a container tries on another one in the same user namespace, whose process 1 has the secret in its environment and its root. */
const onNeighbour = (text: string) => async (setting: Beside) => {
  const { user, pid } = await Namespace.create(['user', 'pid'], MAPS);
  await using _user = user;
  await using _pid = pid;
  const traces = setting.also === 'pid, and CAP_SYS_PTRACE' ? { capAdd: ['SYS_PTRACE'] as const } : {};
  const options = { namespaces: { user, ...(setting.also === undefined ? {} : { pid }) } };
  const victim = {
    ...options,
    env: { SECRET },
    copyIn: { '/secret': SECRET },
    command: ['sh', '-c', 'trap "" TERM; while :; do sleep 1; done'],
  };
  return await beside(victim, async () => said(['sh', '-c', text], { ...options, ...traces }));
};

/** Each process that is none of its own. */
const OTHERS = 'for p in /proc/[0-9]*; do [ $p = /proc/$$ ] && continue; ';

export const namespaces = [
  attack({
    attack: 'in the user namespace of another container: kills that one’s processes',
    source: 'a namespace that is shared',
    protection: 'a pid namespace of its own',
    as: rootOnly('nobody but root makes several user namespaces for its containers'),
    tries: onNeighbour(
      `${OTHERS} grep -q [t]rap $p/cmdline 2>/dev/null && kill -9 \${p#/proc/} && echo killed; done | grep . || echo nobody`,
    ),
    on: [{}, 'nobody'],
    off: [{ also: 'pid' }, 'killed'],
  }),
  attack({
    attack: 'in the user namespace of another container: reads its environment and its files by ptrace’s rights',
    source: 'a namespace that is shared',
    protection: 'a pid namespace of its own, and no CAP_SYS_PTRACE',
    as: rootOnly('nobody but root makes several user namespaces for its containers'),
    tries: onNeighbour(`${OTHERS} cat $p/root/secret 2>/dev/null && break; done | grep . || echo nothing`),
    on: [{}, 'nothing'],
    off: [{ also: 'pid, and CAP_SYS_PTRACE' }, SECRET],
  }),
  attack({
    attack: 'kills a process of the host by its number',
    source: 'pids of the host',
    protection: 'a pid namespace of its own',
    as: rootOnly("the host's is for root"),
    tries: (options: RunOptions) =>
      withVictim(async (pid, victim) => {
        const ended = once(victim, 'close').then(() => 'killed');
        const told = await said(['sh', '-c', 'kill -9 $VICTIM 2>/dev/null && echo killed || echo refused'], {
          ...options,
          env: { VICTIM: String(pid) },
        });
        return told === 'killed' ? ended : told;
      }),
    on: [{}, 'refused'],
    off: [hostPids, 'killed'],
  }),
  attack({
    attack: "beside the host's processes: reads the environment of one",
    source: 'ptrace(2)',
    protection: 'no CAP_SYS_PTRACE',
    as: rootOnly("the host's is for root"),
    tries: onVictim(`tr '\\0' '\\n' < /proc/$VICTIM/environ 2>/dev/null | sed -n s/^SECRET=//p | grep . || echo refused`),
    on: [hostPids, 'refused'],
    off: [{ ...hostPids, capAdd: ['SYS_PTRACE'] }, SECRET],
  }),
  attack({
    attack: "beside the host's processes: reads a file by the root of one",
    source: '/proc/PID/root',
    protection: 'no CAP_SYS_PTRACE',
    as: rootOnly("the host's is for root"),
    tries: onVictim(`cat /proc/$VICTIM/root$FILE 2>/dev/null | grep . || echo refused`),
    on: [hostPids, 'refused'],
    off: [{ ...hostPids, capAdd: ['SYS_PTRACE'] }, SECRET],
  }),
  attack({
    attack: "beside the host's processes: joins the mount namespace of one",
    source: 'nsenter(1)',
    protection: 'no CAP_SYS_ADMIN, no CAP_SYS_PTRACE, and no setns(2) in the filter',
    as: rootOnly("the host's is for root"),
    tries: onVictim(`nsenter -t $VICTIM -m cat $FILE 2>/dev/null | grep . || echo refused`),
    on: [hostPids, 'refused'],
    off: [{ ...hostPids, capAdd: ['SYS_ADMIN', 'SYS_PTRACE'] }, SECRET],
  }),
  attack({
    attack: 'connects to an abstract socket of the host',
    source: 'CVE-2020-15257',
    protection: 'a network namespace of its own',
    tries: async (options: RunOptions) => {
      const name = `nacelle-test-abstract-${process.pid}`;
      const server = createServer().listen(`\0${name}`);
      await once(server, 'listening');
      try {
        return await by('escape', 'connect', name)(options);
      } finally {
        server.close();
      }
    },
    on: [{}, 'ECONNREFUSED'],
    off: [{ network: 'host' }, 'connected'],
  }),
  attack({
    attack: "connects to a service on the host's loopback address",
    source: 'services that trust 127.0.0.1',
    protection: 'a network namespace of its own',
    tries: async (options: RunOptions) => {
      const server = createServer((socket) => socket.end(SECRET)).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      const port = typeof address === 'object' ? address?.port : 0;
      try {
        return await said(['sh', '-c', `nc 127.0.0.1 ${port} </dev/null 2>/dev/null | ${SHOW}; true`], options);
      } finally {
        server.close();
      }
    },
    on: [{}, 'ok'],
    off: [{ network: 'host' }, SECRET],
  }),
  attack({
    attack: "finds another container's shared memory of System V",
    source: 'shared ipc',
    protection: 'an ipc namespace of its own',
    as: rootOnly('an ordinary user joins no namespace'),
    tries: shared('shm'),
    on: [{}, 'ENOENT'],
    off: [{ ipc: 'shared' }, 'found'],
  }),
  attack({
    attack: "finds another container's message queue",
    source: 'shared ipc',
    protection: 'an ipc namespace of its own',
    as: rootOnly('an ordinary user joins no namespace'),
    tries: shared('mq'),
    on: [{}, 'ENOENT'],
    off: [{ ipc: 'shared' }, 'found'],
  }),
  attack({
    attack: 'leaves a key in the keyring of its user, root, and another container finds it there',
    source: 'keyrings, which no namespace confines',
    protection: 'the filter',
    as: rootOnly('each user namespace has keyrings of its own'),
    tries: async (setting: RunOptions) => {
      const options = { ...setting, copyIn: program('escape') };
      await said(['/escape', 'key', 'put'], options);
      return said(['/escape', 'key', 'get'], options);
    },
    on: [{}, 'EPERM'],
    off: [{ seccomp: 'unconfined' }, 'found'],
  }),
  attack({
    attack: "finds another container's file in /dev/shm",
    source: 'shared memory',
    protection: 'a tmpfs of its own at /dev/shm',
    tries: (setting: { share?: 'a folder' }) => {
      const options = setting.share ? { volumes: [`${emptyFolder()}:/dev/shm`] } : {};
      return beside(options, async (container) => {
        await container.exec(['touch', '/dev/shm/file']);
        return said(['sh', '-c', '[ -e /dev/shm/file ] && echo found || echo nothing'], options);
      });
    },
    on: [{}, 'nothing'],
    off: [{ share: 'a folder' }, 'found'],
  }),
  attack({
    attack: 'learns where its group lies on the host',
    source: '/proc/self/cgroup',
    protection: 'a cgroup namespace of its own',
    as: rootOnly("the host's is for root"),
    tries: (options: RunOptions) => said(['sh', '-c', 'grep -q nacelle /proc/self/cgroup && echo found || echo nothing'], options),
    on: [{}, 'nothing'],
    off: [{ namespaces: { cgroup: 'host' } }, 'found'],
  }),
];
