import { execFileSync } from 'node:child_process';
import { beforeAll, expect } from 'vitest';
import { LAYER_COMPILER, layerDriver } from '../../fixtures/layer.js';
import { requires } from '../../fixtures/requires.js';

const { describe, it } = requires({ root: true, tools: [LAYER_COMPILER, 'bash', 'setfattr', 'unshare', 'mount', 'umount'] });

let driver = '';
beforeAll(async () => {
  driver = await layerDriver();
});

/** As changes.h draws them. */
function parse(bytes: Buffer): string[] {
  const records: string[] = [];
  let at = 0;
  for (;;) {
    const kind = String.fromCharCode(bytes[at] ?? 0);
    const length = bytes.readUInt32LE(at + 4);
    if (kind === 'E') {
      expect([bytes[at + 1], length, at + 8]).toEqual([0, 0, bytes.length]);
      return records;
    }
    records.push(`${kind} ${String.fromCharCode(bytes[at + 1] ?? 0)} ${bytes.subarray(at + 8, at + 8 + length).toString('latin1')}`);
    at += 8 + length;
  }
}

/** Mounts a real overlay in a mount namespace of its own, runs `change` in it and lists what its upper says. */
function changes(layers: string[], change: string, ...options: string[]): string[] {
  const lowers = layers.map((_, index) => `lower${index}`);
  const script = [
    'mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir upper work m',
    ...layers.map((make, index) => `mkdir lower${index}; (cd lower${index}; ${make})`),
    // the driver is not to see the overlay
    `(exec 2>&1 >/dev/null; mount -t overlay overlay -o lowerdir=${lowers.join(':')},upperdir=upper,workdir=work m; (cd m; ${change}); umount m)`,
    `"$0" changes upper ${lowers.map((name) => `lower=${name}`).join(' ')} "$@"`,
  ];
  return parse(execFileSync('unshare', ['-m', 'bash', '-ec', script.join('\n'), driver, ...options]));
}

const BELOW = 'mkdir -p d/sub e; echo 1 > f; echo 2 > d/1; echo 3 > d/2; echo 4 > d/sub/3; ln -s f l; mkfifo p; echo 5 > e/x';

describe('changes in a real overlay', () => {
  it.each<[string, string, string[]]>([
    ['nothing', ':', []],
    ['added', 'mkdir n; echo > n/f; ln -s x n/l; mkfifo n/p', ['A d /n', 'A f /n/f', 'A l /n/l', 'A o /n/p']],
    ['modified, and the folders above are no change', 'echo 2 >> d/sub/3', ['M f /d/sub/3']],
    ['copied up without a change', 'touch d/1', ['M f /d/1']],
    ['mode and owner of files', 'chmod 600 f; chown 5 d/1', ['M f /d/1', 'M f /f']],
    ['mode of a folder', 'chmod 700 d', ['M d /d']],
    ['owner of a folder', 'chown 5:5 d/sub', ['M d /d/sub']],
    ['attributes of a folder', 'setfattr -n trusted.a -v 1 d', ['M d /d']],
    ['time of a folder alone', 'touch d; echo > d/new', ['A f /d/new']],
    ['deleted, with the type of what it was', 'rm f l p d/1', ['D f /d/1', 'D f /f', 'D l /l', 'D o /p']],
    ['a deleted folder is one change', 'rm -r d', ['D d /d']],
    ['added and deleted again', 'echo > n; rm n; mkdir m; rmdir m', []],
    ['a folder becomes a file', 'rm -r d; echo > d', ['M f /d']],
    ['a file becomes a folder', 'rm f; mkdir f; echo > f/x', ['M d /f', 'A f /f/x']],
    [
      'a folder made anew hides what it had',
      'rm -r d; mkdir d; echo > d/1; echo > d/4',
      ['M d /d', 'M f /d/1', 'D f /d/2', 'A f /d/4', 'D d /d/sub'],
    ],
    [
      'the same, a level deeper',
      'rm -r d; mkdir -p d/sub; echo > d/sub/new',
      ['M d /d', 'D f /d/1', 'D f /d/2', 'D f /d/sub/3', 'A f /d/sub/new'],
    ],
    ['a symlink is retargeted', 'ln -sfn elsewhere l', ['M l /l']],
    ['renamed', 'mv f g', ['D f /f', 'A f /g']],
    ['names as bytes, sorted', `echo > $'\\377'; echo > z; echo > Z; echo > $'a\\nb'`, ['A f /Z', 'A f /a\nb', 'A f /z', 'A f /\xff']],
  ])('%s', (_, change, expected) => {
    expect(changes([BELOW], change)).toEqual(expected);
  });

  it('looks through all layers: whiteouts and opaque folders between', () => {
    const bottom = 'mkdir -p d o x; echo > d/deep; echo > d/hidden; echo > o/old; echo > gone; echo > x/f';
    const middle =
      'mkdir -p d o; mknod gone c 0 0; mknod d/hidden c 0 0; setfattr -n trusted.overlay.opaque -v y o; echo > o/new; mknod x c 0 0';
    const top = 'mkdir t; echo > t/1';
    const change = 'echo > gone; echo > d/hidden; echo >> d/deep; echo > o/old; echo >> o/new; rm t/1; mkdir x; echo > x/f';
    expect(changes([top, middle, bottom], change)).toEqual([
      'M f /d/deep',
      'A f /d/hidden',
      'A f /gone',
      'M f /o/new',
      'A f /o/old',
      'D f /t/1',
      'A d /x',
      'A f /x/f',
    ]);
  });

  it('a folder below a file is not merged', () => {
    expect(changes(['echo > d', 'mkdir d; echo > d/f'], 'rm d; mkdir d; echo > d/f')).toEqual(['M d /d', 'A f /d/f']);
    expect(changes(['mkdir d', 'echo > d', 'mkdir d; echo > d/f'], 'echo > d/f')).toEqual(['A f /d/f']);
  });

  it('a folder’s metadata is compared with the topmost lower’s', () => {
    expect(changes(['mkdir -m 700 d', 'mkdir -m 755 d; echo > d/f'], 'echo >> d/f')).toEqual(['M f /d/f']);
    expect(changes(['mkdir -m 700 d', 'mkdir -m 755 d'], 'chmod 755 d')).toEqual(['M d /d']);
  });
});
