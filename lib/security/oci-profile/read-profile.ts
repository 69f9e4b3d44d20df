import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf, invalidOption, type NacelleError, UnsupportedError } from '../../errors.js';
import { checkField } from '../../oci-config/checked-json.js';
import { lineOf, readJson } from '../../oci-config/lined-json.js';
import { didYouMean } from '../did-you-mean.js';
import type { ParsedProfile } from './parsed-profile.js';
import { profileField } from './profile-field.js';
import { Recent } from './recent.js';

/** Profiles by the digest of their files: reading JSON and checking the whole takes longer than a container's start. */
const parsed = new Recent<ParsedProfile>(16);
/** docker's is 12 KB. */
const MAX_BYTES = 10 * 1024 ** 2;
/** How many are told: who mends some wants to know of the next. */
const MOST_PROBLEMS = 10;

/**
 * Reads a profile from a file, a JSON object as for docker's `--security-opt seccomp=FILE`.
 *
 * @throws NacelleError ERR_INVALID_OPTION for a file that can't be read, is no regular file, has more than 10 MiB or is no profile, with the
 * line and the place in the profile
 * @throws UnsupportedError for a profile that needs what can't be had
 */
export async function readProfile(path: string): Promise<ParsedProfile> {
  const bytes = await readBounded(path);
  return parsed.get(createHash('sha256').update(bytes).digest('hex'), () => parseProfileText(path, bytes));
}

/** @throws UnsupportedError for a profile that needs what can't be had */
export function refuseUnsupported(profile: ParsedProfile): ParsedProfile {
  if (profile.listener !== null) throw new UnsupportedError('listenerPath of a seccomp profile', 'onDenied alone is told of calls');
  return profile;
}

/** The same for the text of a file. */
function parseProfileText(path: string, bytes: Uint8Array): ParsedProfile {
  const text = decode(path, bytes);
  const json = readJson(text);
  if ('problem' in json) throw wrong(`${path}, line ${json.line}`, json.problem);
  const checked = checkField(profileField, json.value);
  if ('value' in checked) return refuseUnsupported(checked.value);
  // Each line is looked for in the whole text.
  const problems = checked.problems
    .slice(0, MOST_PROBLEMS)
    .map((problem) => `line ${lineOf(text, problem.path)}: ${problem.name} ${problem.text}`);
  throw wrong(`${path},`, problems.join('; '));
}

function wrong(place: string, problem: string, cause?: unknown): NacelleError {
  return invalidOption('seccomp', `${place} ${problem}`, cause);
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw wrong(path, 'is no UTF-8', cause);
  }
}

async function readBounded(path: string): Promise<Uint8Array> {
  try {
    // A named pipe would be waited for.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      if (!(await file.stat()).isFile()) throw wrong(path, 'is no regular file');
      return await readAll(file, path);
    } finally {
      await file.close();
    }
  } catch (cause) {
    const code = codeOf(cause);
    if (code === 'ERR_INVALID_OPTION') throw cause;
    const meant = code === 'ENOENT' ? didYouMean(path, ['default', 'unconfined']) : '';
    throw wrong(path, `can't be read: ${code ?? String(cause)}${meant}`, cause);
  }
}

/** The file may grow meanwhile, or have no size, as in /proc. */
async function readAll(file: FileHandle, path: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (let bytes = 0; ; ) {
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.allocUnsafe(64 * 1024) });
    if (bytesRead === 0) return Buffer.concat(chunks);
    bytes += bytesRead;
    if (bytes > MAX_BYTES) throw wrong(path, `has more than ${MAX_BYTES} bytes`);
    chunks.push(buffer.subarray(0, bytesRead));
  }
}
