import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Container, Image } from '../../../lib/index.js';
import { type TarEntry, tarArchive } from '../../fixtures/tar.js';
import { layoutOf } from '../../fixtures/tiny-image.js';
import { attack, byHand, rootOnly } from '../attack.js';
import { busyboxLayer, imageOf } from '../image.js';
import { answered } from '../inside.js';
import { emptyFolder, type HostFile, hostFile, privately, shell } from '../outside.js';

const file = (name: string, data = 'EVIL'): TarEntry => (name.length < 100 ? { name, data } : { name: 'long', data, pax: { path: name } });
const folder = (name: string, more: Partial<TarEntry> = {}): TarEntry => ({ name, type: '5', ...more });
const symlink = (name: string, link: string): TarEntry => ({ name, type: '2', link });
const hardLink = (name: string, link: string): TarEntry => ({ name, type: '1', link });

/** Runs a program in an image; `refused: CODE` where that can't be run. */
async function runImage(reference: string, command: readonly string[] = ['true'], maxBytes?: string): Promise<string> {
  const opened = Image.open(reference, maxBytes === undefined ? {} : { limits: { maxBytes } });
  return answered(opened.then((image) => Container.run({ image, command })));
}

/** A path that climbs to the root of whatever it is resolved in. */
const climbing = (path: string): string => `${'../'.repeat(12)}${path.slice(1)}`;

/** The host's file is the same, and has no other name. */
const stateOf = (host: HostFile, mode: number): string =>
  host.state() === 'untouched' && statSync(host.path).nlink === 1 && statSync(host.folder).mode === mode ? 'untouched' : 'changed';

/** A layer that goes for a file of the host, unpacked by us and by GNU tar with --absolute-names, which trusts archives. */
function extraction(what: string, source: string, protection: string, entries: (host: HostFile) => TarEntry[]) {
  const tries = async (unpack: (tar: Buffer) => Promise<unknown>): Promise<string> => {
    const host = hostFile();
    const { mode } = statSync(host.folder);
    await unpack(tarArchive(...entries(host)));
    return stateOf(host, mode);
  };
  return attack({
    attack: `has a layer that ${what}`,
    source,
    protection,
    tries: () => tries((tar) => runImage(imageOf([tar]))),
    on: [{}, 'untouched'],
    off: byHand('tar -xP', 'changed', () =>
      tries(async (tar) => {
        const [at, archive] = [emptyFolder(), join(emptyFolder(), 'layer.tar')];
        writeFileSync(archive, tar);
        await shell('tar -xP -C "$1" -f "$2" 2>/dev/null; true', at, archive);
      }),
    ),
  });
}

const IN_ROOT = 'names are resolved below the folder of the layer, in a process whose root that is';

/** What `/d` shows when the upper layer has this. */
const shows = async (...upper: TarEntry[]) =>
  runImage(imageOf([await busyboxLayer(), tarArchive(folder('d'), file('d/file')), tarArchive(...upper)]), ['ls', '/d']);

/** The same of an overlay of folders that GNU tar unpacked as they are. */
const overlaid = (...upper: TarEntry[]) => {
  const [lower, above] = [join(emptyFolder(), 'lower.tar'), join(emptyFolder(), 'upper.tar')];
  writeFileSync(lower, tarArchive(folder('d'), file('d/file')));
  writeFileSync(above, tarArchive(...upper));
  const script = `
    mount -t tmpfs none "$1"; cd "$1"; mkdir l u m
    tar -xf "$2" -C l; tar -xf "$3" -C u --xattrs --xattrs-include='*'
    mount -t overlay -o lowerdir=u:l none m; ls m/d | grep . || echo hidden`;
  return privately(script, emptyFolder(), lower, above);
};

/** An image whose layer was exchanged for another one of the same size. */
function exchanged(): string {
  const layout = layoutOf({ app: [{ good: 'x' }] }, emptyFolder(), { compress: (tar) => tar, suffix: '' });
  const blobs = join(layout, 'blobs/sha256');
  for (const name of readdirSync(blobs)) {
    const [path, evil] = [join(blobs, name), tarArchive(file('evil'))];
    const { length } = readFileSync(path);
    if (length >= 4096) writeFileSync(path, Buffer.concat([evil, Buffer.alloc(length - evil.length)]));
  }
  return layout;
}

export const layers = [
  extraction('climbs out by its names', 'CVE-2018-1002100 and other zip slips', `${IN_ROOT}; .. is refused`, ({ folder: host }) => [
    file(climbing(`${host}/new`)),
  ]),
  extraction('has a link to the host, and a file below it', 'CVE-2021-32610', IN_ROOT, ({ folder: host }) => [
    symlink('l', host),
    file('l/new'),
  ]),
  extraction('climbs out by a link, and has a file below it', 'CVE-2021-32610', IN_ROOT, ({ folder: host }) => [
    symlink('l', climbing(host)),
    file('l/new'),
  ]),
  extraction('has a chain of links to the host', 'CVE-2021-32610', IN_ROOT, ({ folder: host }) => [
    symlink('a', 'b'),
    symlink('b', 'c'),
    symlink('c', host),
    file('a/new'),
  ]),
  extraction('has a hard link to a file of the host', 'CVE-2019-14271, for layers', IN_ROOT, ({ path }) => [hardLink('h', path)]),
  attack({
    attack: 'has a layer that has a link to a file of the host, and then a file of the same name',
    source: 'CVE-2021-32610',
    protection: 'names are replaced, never written through',
    tries: async () => {
      const host = hostFile();
      await runImage(imageOf([tarArchive(symlink('l', host.path), file('l'))]));
      return host.state();
    },
    on: [{}, 'untouched'],
    off: byHand('open(2) by path', 'changed', async () => {
      const host = hostFile();
      await shell('cd "$1"; ln -s "$2" l; echo EVIL > l', emptyFolder(), host.path);
      return host.state();
    }),
  }),
  attack({
    attack: 'has a layer that hides a folder of the layers below, as overlayfs would see it and no tool',
    source: 'trusted.overlay.opaque in a PAX record',
    protection: 'attributes of overlayfs are left out',
    as: rootOnly('the image has files of others'),
    tries: () => shows(folder('d', { pax: { 'SCHILY.xattr.trusted.overlay.opaque': 'y' } })),
    on: [{}, 'file'],
    off: byHand('tar --xattrs', 'hidden', () => overlaid(folder('d', { pax: { 'SCHILY.xattr.trusted.overlay.opaque': 'y' } }))),
  }),
  attack({
    attack: 'has a layer with the device 0:0, which is a whiteout of overlayfs',
    source: 'devices in a layer',
    protection: 'the device 0:0 is refused',
    tries: () => shows({ name: 'd/file', type: '3', device: [0, 0] }),
    on: [{}, 'refused: ERR_IMAGE'],
    off: byHand('tar -x', 'hidden', () => overlaid({ name: 'd/file', type: '3', device: [0, 0] })),
  }),
  attack({
    attack: 'has a layer that is a thousand times as large when it is unpacked',
    source: 'decompression bomb',
    protection: 'maxBytes, while it is unpacked',
    as: rootOnly('the image has files of others'),
    tries: async ({ maxBytes }: { maxBytes?: string }) =>
      runImage(imageOf([await busyboxLayer(), tarArchive({ name: 'bomb', data: Buffer.alloc(8 << 20) })]), ['true'], maxBytes),
    on: [{ maxBytes: '4m' }, 'refused: ERR_IMAGE_LIMIT'],
    off: [{}, 'ok'],
  }),
  attack({
    attack: 'has a layer with other bytes than its digest says',
    source: 'a blob that was exchanged',
    protection: 'digest, size and diff_id are checked before anything is published',
    tries: () => runImage(`oci:${exchanged()}:app`),
    on: [{}, 'refused: ERR_IMAGE'],
    off: byHand('tar -x of the blob', 'unpacked', () =>
      shell(
        'cd "$1"; for blob in "$2"/blobs/sha256/*; do tar -xf "$blob" 2>/dev/null; done; [ -e evil ] && echo unpacked',
        emptyFolder(),
        exchanged(),
      ),
    ),
  }),
];
