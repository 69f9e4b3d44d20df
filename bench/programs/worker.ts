// A Node process of its own, measured from another: fork(worker, [bytes of heap to fill, rootfs]).
// Answers each message { subject, count } with the times of the runs.

import { subject } from '../measure.js';
import { bwrap } from '../peers/bwrap.js';
import { runContainer, runOn, runUnlimited } from '../peers/nacelle.js';
import { bareProgram, runSpawned } from '../peers/spawn.js';

const [bytes = '0', rootfs = ''] = process.argv.slice(2);

const MIB = 2 ** 20;
/** Every page is written to. Buffers, because V8 keeps its own pages out of forks (MADV_DONTFORK): they would cost spawn nothing. */
const heap = Array.from({ length: Math.round(Number(bytes) / MIB) }, (_, index) => Buffer.alloc(MIB, (index % 255) + 1));

const [command, args] = bareProgram(rootfs);
const subjects = {
  container: () => subject('container', () => runContainer(rootfs)),
  unlimited: () => subject('unlimited', () => runUnlimited(rootfs)),
  none: () => subject('none', () => runOn(rootfs, 'none')),
  bridge: () => subject('bridge', () => runOn(rootfs, 'bridge')),
  pasta: () => subject('pasta', () => runOn(rootfs, 'pasta')),
  spawn: () => subject('spawn', () => runSpawned(command, args)),
  bwrap: () => bwrap(rootfs),
};

export interface WorkerRequest {
  readonly subject: keyof typeof subjects;
  readonly count: number;
}

export type WorkerReply = { readonly times: number[] } | { readonly failed: string };

function reply(message: WorkerReply): void {
  process.send?.(message);
}

process.on('message', ({ subject, count }: WorkerRequest) => {
  subjects[subject]()
    .run(count)
    .then(
      (times) => reply({ times }),
      (error: unknown) => reply({ failed: String(error) }),
    );
});
// The heap must outlive the measuring.
process.on('disconnect', () => process.exit(heap.length < 0 ? 1 : 0));
