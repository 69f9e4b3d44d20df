// Compiled as others compile it: against the built types, in both module systems, with every check, their own libraries' included.
import type { ReadStream } from 'node:tty';
import {
  BuildCache,
  Cgroup,
  Container,
  type ContainerOptions,
  connectTerminal,
  Image,
  type Limits,
  Namespace,
  OverlayFs,
  type PruneReport,
  type RunOptions,
  VethPair,
  Volume,
} from 'nacelle';

declare const words: readonly string[];
declare const maybe: string | undefined;
declare const size: number | undefined;
declare const flag: boolean | undefined;
declare const signal: AbortSignal | undefined;
declare const namespace: Namespace | undefined;
declare const keys: ReadStream | undefined;

/** What a caller has may be undefined: then it is as if it were not given. Lists may be readonly. */
export const limits: Limits = {
  memory: size,
  cpus: size,
  pidsLimit: size,
  ioMax: [{ device: '8:0', readBps: size }] as const,
  deviceRules: [{ type: 'c', major: size, access: 'r', allow: true }] as const,
  scheduler: { policy: 'other', nice: size },
};

export const cancelled: ContainerOptions = { image: maybe, cancelSignal: signal };

export const options: RunOptions = {
  ...limits,
  image: maybe,
  command: words,
  entrypoint: words,
  env: { A: maybe },
  cwd: maybe,
  user: maybe,
  groupAdd: ['audio', 44] as const,
  timeout: size,
  cancelSignal: signal,
  input: maybe,
  stdout: ['pipe', { file: '/dev/null', append: flag }] as const,
  namespaces: { net: namespace, user: namespace },
  userns: flag ? 'auto' : flag ? { uid: [{ inside: 0, outside: 1, count: 2 }] as const, gid: [] } : undefined,
  timeOffsets: { boottime: size },
  mounts: [{ type: 'bind', source: maybe, target: '/data', readOnly: flag, options: words }] as const,
  volumes: words,
  copyIn: { '/a': { content: maybe, mode: size } },
  copyOut: words,
  capAdd: words,
  devices: [{ path: '/dev/fuse', access: maybe }] as const,
  seccomp: { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ names: words, action: 'SCMP_ACT_ALLOW', args: undefined }] },
  onProgress: undefined,
};

export const confined: RunOptions = {
  isolation: 'landlock',
  command: words,
  volumes: words,
  tcpPorts: { connect: [443] as const, bind: undefined },
};

export async function calls(): Promise<void> {
  const result = await Container.run({ image: 'host', command: ['true'] as const, encoding: 'buffer' });
  result.stdout satisfies Uint8Array;
  const running = Container.run({ image: 'host', command: words, buffer: flag, name: maybe });
  for await (const line of running) line satisfies string;
  for await (const line of running.lines('all')) line satisfies string;
  (await running.pid) satisfies number;
  await running.kill('SIGTERM');
  (await running).stdout satisfies string;
  await using container = await Container.create({ image: 'host', command: words });
  await container.wait({ cancelSignal: signal });
  await Container.run({ image: 'host', command: words, network: container });
  await container.stop({ timeout: size });
  await container.remove({ force: flag });
  const { net } = await Namespace.create(['net'] as const, { hostname: maybe, uidMap: [{ inside: 0, outside: 0, count: 1 }] as const });
  await net.run(words, { with: [net] as const, timeout: size });
  const group = await Cgroup.create('a', limits, { parent: maybe, persist: flag });
  await group.run(words, { cwd: maybe });
  for await (const event of group.events({ cancelSignal: signal })) event.type satisfies string;
  await OverlayFs.mount({ lower: words, upper: maybe, upperSize: size });
  await VethPair.create({ peer: container, address: words, name: maybe });
  const image = await Image.pull('a/b', { platform: maybe, mirrors: words, cancelSignal: signal, limits: { maxBytes: size } });
  await image.save('x', { format: undefined });
  Image.host({ hide: words });
  await Image.commit(container, { config: { cmd: words, user: maybe, healthcheck: { interval: size } }, created: undefined });
}

/** Each primitive's report is one, and has the lists of its own kind. */
export async function pruned(): Promise<PruneReport[]> {
  const containers = await Container.prune();
  const images: PruneReport = await Image.prune();
  const volumes = await Volume.prune();
  const cache: PruneReport = await BuildCache.prune();
  return [{ containers: containers.containers }, images, { volumes: volumes.volumes }, cache];
}

/** Whoever has a report of any kind reads it as it is. */
export const gone = ({ containers = [], images = [], volumes = [], keys = [], bytes }: PruneReport): string =>
  [...containers, ...images, ...volumes, ...keys, bytes ?? 0].join();

export const connected = (container: Container): Promise<'ended' | 'detached'> => connectTerminal(container, { stdin: keys });
