import { expect } from 'vitest';
import { OverlayFs } from '../../lib/filesystem/overlay-fs.js';
import { pidOf, shimOf } from '../fixtures/host.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { undoMadeAhead } from '../fixtures/made-ahead.js';
import { runNode } from '../fixtures/node.js';
import { changesOf, tree } from '../fixtures/overlay.js';
import { requires } from '../fixtures/requires.js';
import { busybox, sh } from '../fixtures/sandbox.js';
import { type Fault, injection, traced } from '../fixtures/strace.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['bash', 'busybox', 'strace'] });
const folder = temporaryFolder();

// The kernel itself says so about once in ten thousand ends: it finds no message, then somebody sends one and ends, then it finds the end.
const early: Fault = { call: 'recvmsg', value: 0, when: '1+2' };

async function shim(): Promise<number> {
  await sh('true');
  // what was made for the next container would speak to the shim as well
  await undoMadeAhead();
  return pidOf(shimOf());
}

describe('an end of a socket that is told too early', () => {
  it('is not believed by the shim and what it starts', async () => {
    const lower = tree(folder, 'echo 1 > 1');
    const run = async (): Promise<string[]> => {
      await using overlay = await OverlayFs.mount({ lower: [lower], readOnly: true });
      return [(await sh('echo said', { init: true, copyIn: { '/in': 'x' } })).stdout, ...(await changesOf(overlay))];
    };
    const { value } = await traced(await shim(), folder, { follow: true, faults: [early] }, run);
    expect(value).toEqual(['said\n']);
  });

  it('is not believed by Node', async () => {
    const through = ['strace', '-f', '-e', 'trace=recvmsg', injection(early), '-o', `${folder}/of-node`];
    const options = { ...(await busybox()), command: ['echo', 'said'] };
    expect(await runNode('run', [JSON.stringify(options)], { through })).toMatchObject({ status: 'ok', stdout: 'said\n' });
  });
});

describe('a process that the shim hears no more while it is set up', () => {
  it('is killed, though it has done all and waits', async () => {
    const pid = await shim();
    // the first two calls take the plan, and find nothing after it; until the third the process has said its last word
    const faults: Fault[] = [{ call: 'recvmsg', error: 'EIO', when: '3', microseconds: 500_000 }];
    const mount = (): Promise<unknown> => OverlayFs.mount({ lower: [folder], readOnly: true }).catch((error: unknown) => error);
    const { value } = await traced(pid, folder, { follow: false, faults }, mount);
    expect(value).toMatchObject({ code: 'ECHILD', message: expect.stringContaining('the process died while it was set up, by signal 9') });
  });
});
