import { resolve } from 'node:path';
import * as z from 'zod';
import { word } from '../options/common-schemas.js';
import { parseOptions } from '../options/parse-options.js';
import { type Size, sizeSchema } from '../options/size.js';

/** Options of `OverlayFs.mount`. Paths may hold any character but NUL; relative ones start at the current folder. */
export interface OverlayOptions {
  /** Folders that are shown and never written to, the topmost first; 1 to 500, the kernel's limit. */
  readonly lower: readonly string[];
  /** The folder that takes the changes. Default: a tmpfs of the mount's own. */
  readonly upper?: string | undefined;
  /** An empty folder of the upper's file system, which the kernel works in. Default: one beside the upper, removed at the end. */
  readonly work?: string | undefined;
  /**
   * An existing folder to mount on. Root alone: UnsupportedError for an ordinary user. Default: a new one in the folder for temporary files,
   * removed at the end.
   */
  readonly target?: string | undefined;
  /** Nothing can be changed: there is no upper. Default false. */
  readonly readOnly?: boolean | undefined;
  /** Nothing is synced to disk: this is quicker, but after a crash of the machine the upper is worth nothing. Default false. */
  readonly volatile?: boolean | undefined;
  /** How much the tmpfs may hold. Default: half of the machine's memory, as tmpfs(5) has it. */
  readonly upperSize?: Size | undefined;
  /** The mount stays when its owner has ended. Root alone: UnsupportedError for an ordinary user. Default false. */
  readonly persist?: boolean | undefined;
}

/** Checked: absolute paths, sizes in bytes, `null` for what was not given. */
export interface OverlaySettings {
  readonly lower: readonly string[];
  readonly upper: string | null;
  readonly work: string | null;
  readonly target: string | null;
  readonly readOnly: boolean;
  readonly volatile: boolean;
  readonly upperSize: number | null;
  readonly persist: boolean;
}

/** OVL_MAX_STACK of the kernel. */
const MAX_LOWERS = 500;
/** A page. 0 would be no limit to tmpfs. */
const SMALLEST_SIZE = 4096;

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseOverlayOptions(options: unknown): OverlaySettings {
  return parseOptions(schema, options, 'options');
}

const path = word.transform((value) => resolve(value));
const given = <T extends z.ZodType>(type: T) => type.optional().transform((value) => value ?? null);

const schema = z
  .strictObject({
    lower: z.array(path).min(1).max(MAX_LOWERS),
    upper: given(path),
    work: given(path),
    target: given(path),
    readOnly: z.boolean().default(false),
    volatile: z.boolean().default(false),
    upperSize: given(sizeSchema(SMALLEST_SIZE)),
    persist: z.boolean().default(false),
  })
  .superRefine((options, context) => {
    for (const [place, message] of problems(options)) context.addIssue({ code: 'custom', path: place, message });
  });

/**
 * Options that contradict each other. Layers that lie inside one another are left to the kernel to refuse: folders with such paths may be
 * on different file systems.
 */
function* problems({ lower, upper, work, readOnly, volatile, upperSize }: OverlaySettings): Generator<[(string | number)[], string]> {
  if (readOnly) {
    if (upper !== null) yield [['upper'], 'takes the changes, and with readOnly there are none: give one of the two'];
    if (upperSize !== null) yield [['upperSize'], 'is for changes, and with readOnly there are none'];
    if (volatile) yield [['volatile'], 'is about writing, and with readOnly nothing is written'];
  }
  if (work !== null && upper === null) yield [['work'], 'belongs to an upper folder, which is not given'];
  if (upperSize !== null && upper !== null)
    yield [['upperSize'], 'is for the tmpfs; the folder upper has the room that its file system has'];
  if (work !== null && upper !== null && (isWithin(work, upper) || isWithin(upper, work))) {
    yield [['work'], 'must be a folder of its own: neither the upper, nor in it, nor around it'];
  }
  const seen = new Map<string, string>();
  if (upper !== null) seen.set(upper, 'the upper');
  if (work !== null) seen.set(work, 'the work folder');
  for (const [index, folder] of lower.entries()) {
    const other = seen.get(folder);
    if (other !== undefined) yield [['lower', index], `${folder} is ${other} too`];
    seen.set(folder, `lower[${index}]`);
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? folder : `${folder}/`);
}
