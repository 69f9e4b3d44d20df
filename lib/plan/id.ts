import { randomFillSync } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';

/** Bytes of a name. */
const LENGTH = 16;
/** Those of names to come, read at once. */
const random = Buffer.alloc(64 * LENGTH);
let left = 0;

/** A name that is used once, of 128 random bits, for what is made for one program or one caller. */
export function newId(): string {
  if (left === 0) {
    fill();
    left = random.length;
  }
  left -= LENGTH;
  return random.toString('hex', left, left + LENGTH);
}

/** By the kernel's file: the first use of `node:crypto` takes longer than most else of a first run. */
function fill(): void {
  let fd: number;
  try {
    fd = openSync('/dev/urandom', 'r');
  } catch {
    // a root without devices, or no descriptor is left
    randomFillSync(random);
    return;
  }
  try {
    // urandom(4): a read of up to 256 bytes is never cut short, and what is longer only by a signal
    for (let at = 0, count = 0; at < random.length; at += count) {
      count = readSync(fd, random, at, Math.min(256, random.length - at), null);
      if (count > 0) continue;
      // what is bound there is another file
      randomFillSync(random);
      return;
    }
  } finally {
    closeSync(fd);
  }
}
