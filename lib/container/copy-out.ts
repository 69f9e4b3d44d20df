import { binding, closeDescriptor, streamOf } from '../native/load.js';
import { start } from '../native/shim.js';
import { CLONE, O_PATH, SIGKILL } from '../plan/constants.js';
import { NONE, planOf, Slots } from '../plan/plan.js';
import { capabilityMask } from '../security/capabilities.js';

/**
 * Reads files of a container that has ended, by a process that is confined to its mount namespace and may do nothing
 * but read. A missing path is left out; a folder gives the files below it.
 *
 * @throws SyscallError past `max` bytes in all
 */
export async function copyOut(mountNamespace: number, paths: readonly string[], max: number): Promise<Record<string, Uint8Array>> {
  const [readEnd, writeEnd] = binding().pipe();
  const stream = streamOf(readEnd, { readable: true, writable: false });
  const slots = new Slots();
  const [ns, to, root] = [slots.give(mountNamespace), slots.give(writeEnd), slots.take()];
  const reading = capabilityMask('DAC_READ_SEARCH');
  const plan = planOf({
    stages: [
      {
        flags: CLONE.net | CLONE.ipc | CLONE.uts,
        steps: [
          { op: 'dumpable', value: 0 },
          { op: 'setns', ns, type: 'mnt' },
          { op: 'open', out: root, at: NONE, path: '/', flags: O_PATH, mode: 0 },
          { op: 'no_new_privileges' },
          { op: 'bound_capabilities', bounding: reading },
          { op: 'capabilities', effective: reading, permitted: reading, inheritable: 0, ambient: 0 },
          { op: 'parent_death_signal', signal: SIGKILL },
          { op: 'copy_out', root, paths: [...paths], to, max },
        ],
      },
    ],
  });
  try {
    const starting = start(plan, slots.descriptors);
    closeDescriptor(writeEnd);
    const task = await starting;
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    await task.ended;
    return parseRecords(Buffer.concat(chunks));
  } finally {
    stream.destroy();
  }
}

/** The records of addon/shim/copy.h. */
export function parseRecords(bytes: Buffer): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {};
  let at = 0;
  while (bytes.readUInt8(at) === 1) {
    const length = bytes.readUInt32LE(at + 1);
    const path = bytes.toString('utf8', at + 5, at + 5 + length);
    const size = Number(bytes.readBigUInt64LE(at + 5 + length));
    const start = at + 13 + length;
    files[path] = bytes.subarray(start, start + size);
    at = start + size;
  }
  return files;
}
