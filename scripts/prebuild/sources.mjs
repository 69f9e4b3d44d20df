// Of which sources a prebuild was made. The installation of a checkout and of what `npm pack` makes of it reads this too, so it imports nothing of ours.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Beside the two files of a prebuild: the digest of its sources. */
const NOTE = 'sources.sha256';
/** What the package's `files` has of addon/, where package.json says so. */
const isCompiled = (name) => /\.(cc|h|def|map)$/.test(name) && !/(^|\/)(fuzz|sanitize)\//.test(name);

/** The SHA-256, in hex, of all that the addon and the shim are compiled of, in a folder of this project: the files, the flags, and the version that they tell. */
export function sourcesDigest(project) {
  const names = readdirSync(join(project, 'addon'), { recursive: true }).filter(isCompiled).sort();
  const hash = createHash('sha256').update(JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')).version);
  for (const name of [...names.map((each) => `addon/${each}`), 'binding.gyp']) {
    const bytes = readFileSync(join(project, name));
    hash.update(`\n${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

/** Notes it beside a prebuild; `null` before its files are changed. */
export function noteSources(prebuild, digest) {
  if (digest === null) rmSync(join(prebuild, NOTE), { force: true });
  else writeFileSync(join(prebuild, NOTE), `${digest}\n`);
}

/** Whether a prebuild was made of the sources that are in the project. */
export function isOfSources(prebuild, project) {
  const note = join(prebuild, NOTE);
  return existsSync(note) && readFileSync(note, 'utf8').trim() === sourcesDigest(project);
}
