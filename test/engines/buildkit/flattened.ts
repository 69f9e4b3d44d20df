import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An image as it can be compared: a line for each file, and its configuration without times and digests. */
export interface Flattened {
  readonly files: readonly string[];
  readonly config: readonly string[];
}

/** What one has and the other has not. */
export function differences(first: string, of: Flattened, second: string, than: Flattened): string[] {
  return (['files', 'config'] as const).flatMap((name) => [
    ...of[name].filter((line) => !than[name].includes(line)).map((line) => `${first}: ${line}`),
    ...than[name].filter((line) => !of[name].includes(line)).map((line) => `${second}: ${line}`),
  ]);
}

/** A file that is older was in the context, or in the base, with that time. */
const MADE_SINCE = Date.UTC(2010, 0, 1);

/** Reads an archive with an OCI layout. Layers are laid on each other by GNU tar, and not by this project. */
export function flattened(archive: string): Flattened {
  const folder = mkdtempSync(join(tmpdir(), 'nacelle-flattened-'));
  try {
    const [layout, tree] = [join(folder, 'layout'), join(folder, 'tree')];
    for (const path of [layout, tree]) mkdirSync(path);
    execFileSync('tar', ['-xf', archive, '-C', layout]);
    const json = (path: string) => JSON.parse(readFileSync(join(layout, path), 'utf8'));
    const blob = (digest: string): string => join('blobs', digest.replace(':', '/'));
    let [descriptor] = json('index.json').manifests;
    // an index in the index
    while (json(blob(descriptor.digest)).manifests) [descriptor] = json(blob(descriptor.digest)).manifests;
    const manifest = json(blob(descriptor.digest));
    for (const { digest } of manifest.layers) lay(join(layout, blob(digest)), tree);
    return { files: listed(tree), config: described(json(blob(manifest.config.digest)), manifest.layers.length) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function lay(layer: string, tree: string): void {
  const names = execFileSync('tar', ['-tf', layer, '--quoting-style=literal'], { encoding: 'utf8', maxBuffer: 1 << 28 }).split('\n');
  if (new Set(names).size < names.length) throw new Error('the layer has two entries for a path');
  for (const name of names.filter((one) => one.includes('.wh.'))) {
    const [, folder = '', whiteout = ''] = /^(.*?)\.wh\.([^/]*)$/.exec(name) ?? [];
    const path = join(tree, folder);
    if (whiteout === '.wh..opq' && existsSync(path))
      for (const inside of readdirSync(path)) rmSync(join(path, inside), { recursive: true, force: true });
    else rmSync(join(path, whiteout), { recursive: true, force: true });
  }
  // GNU tar lays nothing on a folder that has files
  for (const name of names.filter((one) => one !== '' && !one.endsWith('/')))
    if (lstatSync(join(tree, name), { throwIfNoEntry: false })?.isDirectory()) rmSync(join(tree, name), { recursive: true });
  const attributes = ['--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner', '--same-owner', '-p'];
  execFileSync('tar', ['-xf', layer, '-C', tree, ...attributes, '--exclude=.wh.*', '--keep-directory-symlink']);
}

function listed(tree: string): string[] {
  const links = new Map<string, string>();
  const walk = (path: string): string[] => {
    const found = lstatSync(join(tree, path));
    const kind = found.isDirectory() ? 'folder' : found.isSymbolicLink() ? 'link' : found.isFile() ? 'file' : 'special';
    // a folder's time changes with what is laid into it
    const mtime = kind !== 'folder' && found.mtimeMs < MADE_SINCE ? ` at ${Math.floor(found.mtimeMs / 1000)}` : '';
    const same = links.get(`${found.ino}`);
    if (kind === 'file' && found.nlink > 1 && same === undefined) links.set(`${found.ino}`, path);
    const what = {
      folder: '',
      special: `${found.rdev}`,
      link: kind === 'link' ? `-> ${readlinkSync(join(tree, path))}` : '',
      file: kind === 'file' ? digestOf(join(tree, path)) : '',
    }[kind];
    const line = `/${path} ${kind} ${(found.mode & 0o7777).toString(8)} ${found.uid}:${found.gid} ${what}${mtime}${same ? ` is /${same}` : ''}`;
    const inside = kind === 'folder' ? readdirSync(join(tree, path)).toSorted() : [];
    return [line, ...attributesOf(join(tree, path), kind), ...inside.flatMap((name) => walk(join(path, name)))];
  };
  return walk('');
}

function digestOf(path: string): string {
  return `${statSync(path).size} ${createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 16)}`;
}

function attributesOf(path: string, kind: string): string[] {
  if (kind === 'link') return [];
  const text = execFileSync('getfattr', ['-d', '-m', '-', '--absolute-names', path], { encoding: 'utf8' });
  return text.split('\n').filter((line) => line.includes('='));
}

interface Config {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly history?: readonly {
    readonly created_by?: string;
    readonly comment?: string;
    readonly empty_layer?: boolean;
    readonly author?: string;
  }[];
  readonly author?: string;
  readonly os?: string;
  readonly architecture?: string;
}

function described({ config = {}, history = [], author, os, architecture }: Config, layers: number): string[] {
  const pairs = Object.entries(config).filter(([, value]) => value !== null && value !== '' && value !== false);
  return [
    `${os}/${architecture} ${layers} layers, author ${author ?? 'none'}`,
    ...pairs.map(([name, value]) => `${name} ${sorted(value)}`).toSorted(),
    // BuildKit writes the fields of a struct of Go's there
    ...history.map(
      (one) =>
        `history ${one.created_by?.replace(/^HEALTHCHECK .*/s, 'HEALTHCHECK …')} | ${one.comment} | ${one.empty_layer === true} | ${one.author ?? ''}`,
    ),
  ];
}

/** Of a map the order doesn't matter. */
function sorted(value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return JSON.stringify(value);
  return JSON.stringify(Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))));
}
