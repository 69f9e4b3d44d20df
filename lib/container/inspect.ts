import type { Encoding } from '../process/options/process-types.js';
import { namesOf } from '../security/capabilities.js';
import type { ContainerInspect } from './options/container-types.js';
import type { ContainerRecord } from './start/container-record.js';

/** What a container is, for people and programs that look at it. Pure. */
export function inspected<E extends Encoding>(
  record: ContainerRecord,
  { pid, state, restartCount, health, result }: Pick<ContainerInspect<E>, 'pid' | 'state' | 'restartCount' | 'health' | 'result'>,
): ContainerInspect<E> {
  const { id, name, labels, command, createdAt, image, limits, group, program, mounts, detached, notEnforced, restart } = record;
  const { user, cwd, env, umask, noNewPrivileges, filter, capabilities } = program;
  return {
    id,
    name,
    labels: { ...labels },
    state,
    pid: state === 'stopped' || state === 'restarting' ? 0 : pid,
    createdAt: new Date(createdAt),
    image: image === null ? null : { ...image },
    command: [...command],
    detached: detached !== null,
    process: {
      user,
      cwd,
      env: Object.fromEntries(env.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])),
      umask,
      noNewPrivileges,
      seccomp: filter !== null,
      capabilities: namesOf(capabilities),
    },
    limits: structuredClone(limits),
    cgroup: { name: group.name, paths: { ...group.paths } },
    mounts: structuredClone([...mounts]),
    notEnforced: structuredClone(notEnforced),
    restart: restart === null ? null : { on: restart.on, ...(restart.maxRetries === null ? {} : { maxRetries: restart.maxRetries }) },
    restartCount,
    health,
    result,
  };
}
