// What of a container's whole life compiles, and what must not; compiled as options.ts is.
import {
  Container,
  type ContainerEvent,
  type ContainerInspect,
  type ContainerOptions,
  type ContainerPruneReport,
  connectTerminal,
  type ExecOptions,
  type Execution,
  type LogRecord,
  type ResolvedOptions,
  type RunOptions,
  type WaitCondition,
} from 'nacelle';

declare const words: readonly string[];
declare const maybe: string | undefined;
declare const size: number | undefined;
declare const flag: boolean | undefined;
declare const signal: AbortSignal | undefined;

/** What a caller has may be undefined, and lists may be readonly. */
export const options: ContainerOptions = {
  image: 'host',
  detach: flag,
  autoRemove: flag,
  restart: { on: 'failure', maxRetries: size },
  healthcheck: { test: words, interval: size, timeout: size, startPeriod: size, startInterval: size, retries: size, then: 'restart' },
  logging: { maxSize: '1m', maxFiles: size },
  tty: { columns: 80, rows: 24 },
  groupAdd: ['audio', 44] as const,
  volumes: ['named:/data', '/own'] as const,
  mounts: [
    { type: 'volume', source: maybe, target: '/v', options: ['nocopy'] },
    { type: 'image', source: 'docker.io/library/alpine:3', target: '/i' },
  ] as const,
};
export const none: ContainerOptions = {
  detach: undefined,
  restart: undefined,
  healthcheck: undefined,
  logging: undefined,
  tty: undefined,
  groupAdd: undefined,
};
export const unchecked: ContainerOptions = { healthcheck: 'none', tty: true, restart: { on: 'always' } };

// @ts-expect-error a policy is an object
export const word: ContainerOptions = { restart: 'always' };
// @ts-expect-error there is no such policy
export const policy: ContainerOptions = { restart: { on: 'unless-stopped' } };
// @ts-expect-error a check needs its test
export const untested: ContainerOptions = { healthcheck: { interval: 1 } };
// @ts-expect-error there is no such end of an unhealthy container
export const then: ContainerOptions = { healthcheck: { test: words, then: 'stop' } };
// @ts-expect-error a size has rows too
export const narrow: ContainerOptions = { tty: { columns: 80 } };
// @ts-expect-error docker's drivers are none of ours
export const driver: ContainerOptions = { logging: { driver: 'json-file' } };
// @ts-expect-error there is no such mount
export const npipe: ContainerOptions = { mounts: [{ type: 'npipe', target: '/p' }] };
// @ts-expect-error a mount needs its target
export const nowhere: ContainerOptions = { mounts: [{ type: 'volume', source: 'data' }] };
// @ts-expect-error a group is a name or a number
export const group: ContainerOptions = { groupAdd: [true] };

/** `run` is one run, which ends with its caller. */
export const run: RunOptions = { image: 'host', tty: flag, healthcheck: 'none', groupAdd: [1], maxBuffer: size, reject: flag };
// @ts-expect-error the option is for create
export const detached: RunOptions = { detach: true };
// @ts-expect-error the option is for create
export const restarted: RunOptions = { restart: { on: 'always' } };
// @ts-expect-error the option is for create
export const removed: RunOptions = { autoRemove: true };
// @ts-expect-error the option is for create
export const logged: RunOptions = { logging: {} };
// @ts-expect-error the option is for run
export const rejecting: ContainerOptions = { reject: true };
// @ts-expect-error the option is for run
export const fed: ContainerOptions = { input: 'text' };

export const exec: ExecOptions = {
  user: maybe,
  groupAdd: words,
  cwd: maybe,
  umask: size,
  env: { A: maybe },
  tty: flag,
  privileged: flag,
  detach: flag,
  limits: { memory: '64m', pidsLimit: size },
  timeout: size,
  cancelSignal: signal,
};
// @ts-expect-error limits of a program are in `limits`
export const limited: ExecOptions = { memory: '64m' };
// @ts-expect-error a program has the container's mounts
export const mounting: ExecOptions = { volumes: words };

export const conditions: readonly WaitCondition[] = [{ log: 'ready' }, { log: /ready/ }, { command: words }, { healthy: true }];
export const ports: readonly WaitCondition[] = [{ port: 80 }, { port: 80, host: maybe }, { http: '/', port: 80, status: size }];
// @ts-expect-error nobody waits for a container to be unhealthy
export const unhealthy: WaitCondition = { healthy: false };
// @ts-expect-error nobody can be asked without a port
export const portless: WaitCondition = { http: '/' };

export async function calls(container: Container, bytes: Container<'buffer'>): Promise<void> {
  const text = await Container.create({ image: 'host', command: words });
  (await text.wait()).stdout satisfies string;
  (await bytes.wait()).stdout satisfies Uint8Array;
  const running: Execution = container.exec(words, { timeout: size });
  (await running).stdout satisfies string;
  (await container.exec(words, { encoding: 'buffer' })).stdout satisfies Uint8Array;
  // @ts-expect-error a command is a list
  container.exec('true');
  // @ts-expect-error nothing but one condition is waited for
  await container.waitFor('ready');
  await container.waitFor({ log: 'ready' }, { timeout: size, cancelSignal: signal });
  await running.resize({ columns: 80, rows: 24 });
  await container.restart({ timeout: size });
  for await (const record of container.logs({ since: undefined, tail: size, follow: flag, stream: 'stderr' })) record satisfies LogRecord;
  // @ts-expect-error a container has two outputs
  container.logs({ stream: 'stdin' });
  (await connectTerminal(container, { detachKeys: maybe })) satisfies 'ended' | 'detached';
  (await Container.list({ state: 'unknown', name: maybe }))[0]?.createdAt satisfies Date | undefined;
  (await Container.prune()) satisfies ContainerPruneReport;
  (await Container.prune()).containers satisfies readonly string[];
  (await container.upgrade()) satisfies boolean;
  (await Container.attach('name')) satisfies Container;
}

/** What belongs to an event is known by its type. */
export function told(event: ContainerEvent): string {
  switch (event.type) {
    case 'die':
      event.exitCode satisfies number | null;
      // @ts-expect-error the end of the container's own program has no id
      return event.execId;
    case 'exec_die':
      return event.execId;
    case 'kill':
      return event.signal ?? String(event.signalNumber);
    case 'resize':
      return `${event.size.columns}`;
    case 'health_status':
      event.status satisfies 'starting' | 'healthy' | 'unhealthy';
      return event.status;
    default:
      return event.type;
  }
}

export function inspected(shown: ContainerInspect): void {
  shown.options?.namespaces.net satisfies 'new' | 'host' | 'joined' | undefined;
  shown.options satisfies ResolvedOptions | null;
  shown.process.groupAdd satisfies string[];
  shown.process.seccomp satisfies 'default' | 'unconfined' | 'profile';
  shown.mounts[0]?.name satisfies string | null | undefined;
  shown.startedAt satisfies Date | null;
  shown.health?.log[0]?.output satisfies string | undefined;
  // @ts-expect-error there are no options of a container of an older version
  shown.options.init;
}
