import type { Encoding, RunResult } from '../process/options/process-types.js';
import { namesOf } from '../security/capabilities.js';
import type { ContainerInspect, State } from './options/container-types.js';
import type { ContainerRecord } from './start/container-record.js';

/** What a container is, for people and programs that look at it. Pure. */
export function inspected<E extends Encoding>(
  record: ContainerRecord,
  { pid, state, result }: { pid: number; state: State; result: RunResult<E> | null },
): ContainerInspect<E> {
  const { id, name, labels, command, createdAt, image, limits, group, program, mounts, detached, notEnforced } = record;
  const { user, cwd, env, umask, noNewPrivileges, filter, capabilities } = program;
  return {
    id,
    name,
    labels: { ...labels },
    state,
    pid: state === 'stopped' ? 0 : pid,
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
    result,
  };
}
