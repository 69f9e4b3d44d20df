import { expect, it } from 'vitest';
import { plan } from '../../../fixtures/container-plan.js';

const ids = [{ inside: 0, outside: 0, count: 1 }];
const userns = { kind: 'joined', fd: 40, uid: ids, gid: ids } as const;
const handle = (type: string, fd: number) => ({ type, fd, inode: 1n });

/** The steps of each stage by which its process enters or begins something. */
function entered(options: object): string[][] {
  const { stages } = plan(options, { userns });
  return stages.map(({ steps }) =>
    steps.flatMap((step) => {
      if (step.op === 'setns') return [`${step.op} ${step.type}`];
      if (step.op === 'user') return step.apply === 0 ? [] : ['user'];
      if (step.op === 'dumpable') return [`dumpable ${step.value}`];
      return ['clone', 'unshare', 'exec'].includes(step.op) ? [step.op] : [];
    }),
  );
}

it('a container that joins what a user namespace owns enters that first, and nobody there can look at its process', () => {
  expect(entered({ namespaces: { net: handle('net', 41) } })).toEqual([
    ['dumpable 0', 'setns user', 'dumpable 0', 'clone'],
    ['setns net', 'unshare', 'unshare', 'user', 'dumpable 0', 'exec'],
  ]);
});

it('only a child of the process that is set up there enters a pid namespace', () => {
  expect(entered({ namespaces: { pid: handle('pid', 42) } })).toEqual([
    ['dumpable 0', 'setns user', 'dumpable 0', 'clone'],
    ['setns pid', 'unshare', 'unshare', 'user', 'dumpable 0', 'clone'],
    ['dumpable 0', 'exec'],
  ]);
});

it('namespaces of its own are made where the user namespace is entered already', () => {
  const { stages } = plan({ namespaces: { net: handle('net', 41) } }, { userns });
  expect(stages.map(({ flags }) => flags !== 0)).toEqual([false, true]);
  // CLONE_NEWUSER
  expect((stages[1]?.flags ?? 0) & 0x1000_0000).toBe(0);
});
