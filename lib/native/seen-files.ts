import type { BigIntStats } from 'node:fs';
import { loadNative } from './load-addon.js';

/** What was at a path. */
export interface SeenFile {
  readonly path: string;
  /** Whether a link at the end of the path was followed. */
  readonly follows: boolean;
  /** `undefined`: nothing. */
  readonly status: Pick<BigIntStats, 'dev' | 'ino' | 'ctimeNs' | 'mtimeNs' | 'size'> | undefined;
  /** What makes it another: another file alone, any change of the file and of its rights, or another content. */
  readonly by: 'file' | 'change' | 'content';
}

/** Tells whether files are as they were seen. */
export interface KnownFiles {
  /** What can't be looked at is not as it was. */
  areAsSeen(): boolean;
}

/** As addon/seen_files.h has them. */
const BIT = { follows: 1n, wasThere: 2n, byChange: 4n, byWrite: 8n } as const;

/** Looks at all of them in one call, with no object for each: a run that is made ahead looks at a dozen before it begins. */
export function knownFiles(seen: readonly SeenFile[]): KnownFiles {
  const paths = Buffer.from(seen.map(({ path }) => `${path}\0`).join(''));
  const numbers = BigInt64Array.from(seen.flatMap(numbersOf));
  return { areAsSeen: () => loadNative().addon.areAsSeen(paths, numbers) };
}

function numbersOf({ follows, status, by }: SeenFile): bigint[] {
  const bits = [
    follows ? BIT.follows : 0n,
    status === undefined ? 0n : BIT.wasThere,
    by === 'change' ? BIT.byChange : 0n,
    by === 'content' ? BIT.byWrite : 0n,
  ].reduce((all, bit) => all | bit);
  return status === undefined ? [bits, 0n, 0n, 0n, 0n, 0n] : [bits, status.dev, status.ino, status.ctimeNs, status.mtimeNs, status.size];
}
