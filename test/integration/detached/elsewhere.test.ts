import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { Container, reap } from '../../../lib/index.js';
import { useDetached } from '../../fixtures/detached.js';
import { removeEmptied } from '../../fixtures/emptied-group.js';
import { cgroupMounts, folderOf, isAlive, pidOf, processInfo, readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode, startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';

useLeakCheck();
useDetached();
const { it } = requires({ root: true, tools: ['busybox'] });

const options = async (more: object = {}) => ({ ...(await busybox()), detach: true, command: ['sleep', '1000'], ...more });

/** This process's group on the unified tree. */
function unifiedFolder(): string {
  const mount = cgroupMounts().find(({ version }) => version === 2);
  const path = /^0::(.*)$/m.exec(readText('/proc/self/cgroup') ?? '')?.[1];
  if (mount === undefined || path === undefined) throw new Error('there is no unified tree');
  return join(mount.path, path);
}

/** Runs something in a new group. */
async function within<T>(group: string, run: (through: string[]) => Promise<T>): Promise<T> {
  mkdirSync(group);
  try {
    return await run(['sh', '-c', `echo $$ > ${group}/cgroup.procs; exec "$@"`, 'sh']);
  } finally {
    await removeEmptied(group);
  }
}

it('a container outlives the unit of systemd in which it was made', async () => {
  const name = `nacelle-test-${process.pid}.service`;
  const unit = join(unifiedFolder(), name);
  await within(unit, async (through) => {
    const program = startNode('detach', [JSON.stringify(await options()), 'wait'], { through });
    const id: string = JSON.parse((await program.lines.next()).value ?? '');
    const container = await Container.attach(id);
    const shim = pidOf({ pid: processInfo(container.pid)?.parent });
    for (const pid of [container.pid, shim]) expect(readText(`/proc/${pid}/cgroup`)).not.toContain(name);
    expect(readText(`/proc/${shim}/cgroup`)).toContain(`/nacelle/${id}/shim`);
    // as systemd stops a unit
    writeFileSync(join(unit, 'cgroup.kill'), '1');
    await program.ended;
    expect(isAlive(container.pid)).toBe(true);
    expect((await Container.attach(id)).state).toBe('running');
    await container.remove({ force: true });
  });
  // the program's own shim was killed too
  expect(await reap()).toMatchObject({ failures: [] });
});

it('a program joins the groups of the container, wherever the process is that runs it', async () => {
  const container = await Container.create(await options({ memory: '64m' }));
  await container.start();
  const above = folderOf(process.pid, 'memory') ?? unifiedFolder();
  const told = await within(join(above, `nacelle-test-${process.pid}`), (through) =>
    runNode<string>('attach-exec', [container.id], { through }),
  );
  const own = (await container.exec(['cat', '/proc/self/cgroup'])).stdout;
  const groups = (text: string): string => text.replace(/exec-[0-9a-f]+/, 'exec');
  expect(groups(told)).toBe(groups(own));
});
