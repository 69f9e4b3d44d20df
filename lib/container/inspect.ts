import type { Encoding } from '../process/options/process-types.js';
import { namesOf } from '../security/capabilities.js';
import { healthFrom, statusOf } from './life/health.js';
import type { Life } from './life/life.js';
import type { ContainerInspect } from './options/inspect-types.js';
import { type ContainerRecord, portsIn } from './start/container-record.js';

/** What a container is, for people and programs that look at it. Pure. */
export function inspected<E extends Encoding>(
  record: ContainerRecord,
  {
    pid,
    state,
    startedAt,
    restartCount,
    health,
    result,
  }: Pick<ContainerInspect<E>, 'pid' | 'state' | 'startedAt' | 'restartCount' | 'health' | 'result'>,
): ContainerInspect<E> {
  const { id, name, labels, command, createdAt, image, limits, group, program, mounts, detached, notEnforced, restart, options, networks } =
    record;
  const { user, groupAdd, cwd, env, umask, noNewPrivileges, filter, unknownCalls = null, capabilities } = program;
  return {
    id,
    name,
    labels: { ...labels },
    state,
    pid: state === 'stopped' || state === 'restarting' ? 0 : pid,
    createdAt: new Date(createdAt),
    startedAt,
    image: image === null ? null : { ...image },
    command: [...command],
    detached: detached !== null,
    process: {
      user,
      groupAdd: [...groupAdd],
      cwd,
      env: Object.fromEntries(env.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])),
      umask,
      noNewPrivileges,
      seccomp: filter === null ? 'unconfined' : unknownCalls === null ? 'default' : 'profile',
      unknownCalls: [...(unknownCalls ?? [])],
      capabilities: namesOf(capabilities),
    },
    limits: structuredClone(limits),
    cgroup: { name: group.name, paths: { ...group.paths } },
    mounts: structuredClone([...mounts]),
    networks: networks.map(({ ports: _, ...network }) => ({ ...network, addresses: [...network.addresses], names: [...network.names] })),
    ports: state === 'stopped' ? [] : portsIn(record),
    options: structuredClone(options),
    notEnforced: structuredClone(notEnforced),
    restart: restart === null ? null : { on: restart.on, ...(restart.maxRetries === null ? {} : { maxRetries: restart.maxRetries }) },
    restartCount,
    health,
    result,
  };
}

/** The same of a container as it is now. */
export async function inspectLife<E extends Encoding>(life: Life<E>): Promise<ContainerInspect<E>> {
  const result = life.state === 'stopped' ? await life.end() : null;
  const status = await statusOf(life);
  life.learn();
  const startedAt = status.startedAtMs === null ? (result?.startedAt ?? null) : new Date(status.startedAtMs);
  return inspected(life.record.current, {
    ...{ startedAt, result, restartCount: status.restarts, health: healthFrom(status) },
    ...{ pid: life.held.task.pid, state: life.state },
  });
}
