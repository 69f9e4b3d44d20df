import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdirSync, mkdtempSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, beforeEach, expect } from 'vitest';
import { feed, LAYER_COMPILER, layerDriver, newFolder } from '../../fixtures/layer.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { differences, inventory } from '../../fixtures/tree.js';

const tools = [LAYER_COMPILER, 'bash', 'tar', 'getfattr', 'setfattr', 'python3'];
const { describe, it } = requires({ root: true, tools });
const overlay = requires({ root: true, tools: [...tools, 'unshare', 'mount', 'umount', 'find', 'grep'] });

let driver = '';
let upper = '';
const parent = temporaryFolder();
beforeAll(async () => {
  driver = await layerDriver();
});
beforeEach(() => {
  upper = newFolder(parent);
});

function pack(...options: string[]): Buffer {
  const { error, output } = feed(driver, ['pack', upper, ...options]);
  expect(error).toBe('');
  return output;
}

function refused(): string {
  return feed(driver, ['pack', upper]).error;
}

function unpacked(archive: Uint8Array, ...options: string[]): string {
  const folder = newFolder(parent);
  expect(feed(driver, ['unpack', folder, 'devices=1', ...options], archive).error).toBe('');
  return folder;
}

function byGnuTar(archive: Uint8Array): string {
  const folder = newFolder(parent);
  execFileSync('tar', ['-C', folder, '--warning=none', '--xattrs', '--xattrs-include=*', '--numeric-owner', '-xpf', '-'], {
    input: archive,
  });
  return folder;
}

interface Member {
  name: string;
  type: string;
  link: string;
  mode: number;
  uid: number;
  mtime: number;
  uname: string;
  size: number;
  pax: string[];
}

/** The entries as Python's tarfile reads them, which knows nothing of either of us. */
function members(archive: Uint8Array): Member[] {
  const script = `
import json, sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode='r|', encoding='latin1') as tar:
    print(json.dumps([dict(name=m.name, type=m.type.decode(), link=m.linkname, mode=m.mode, uid=m.uid, mtime=m.mtime, uname=m.uname + m.gname, size=m.size, pax=sorted(m.pax_headers)) for m in tar]))`;
  return JSON.parse(execFileSync('python3', ['-c', script], { input: archive, encoding: 'utf8' })) as Member[];
}

const names = (archive: Uint8Array): string[] => members(archive).map((member) => member.name);
const sh = (script: string): Buffer => execFileSync('bash', ['-ec', script], { cwd: upper });

it('everything a layer holds comes back, by GNU tar and by us', () => {
  sh(`
    mkdir -p d/e ro "$(printf 'n%.0s' $(seq 200))"; echo one > d/one; ln d/one d/e/hard; ln d/one again; ln -s d/one link; ln link link-too
    mkfifo fifo; ln fifo fifo-too; mknod null c 1 3; mknod loop b 7 1048575; : > empty; echo long > "$(printf 'n%.0s' $(seq 200))/$(printf 'f%.0s' $(seq 200))"
    ln -s "$(printf 't%.0s' $(seq 3000))" long-link; echo 1 > "$(printf 'byte\\377')"; echo 2 > "$(printf 'new\\nline')"; echo u > 'ünï'
    mkdir -p $(printf 'p%.0s' $(seq 90))/$(printf 'q%.0s' $(seq 90)); echo 3 > $(printf 'p%.0s' $(seq 90))/$(printf 'q%.0s' $(seq 90))/prefix
    chmod 6755 d/one; chown 3000000:4000000000 empty; chmod 0 ro; chown -h 5:6 link; setfattr -n user.a=b%c -v x d; setfattr -n user.empty d/one
    setfattr -h -n trusted.l -v y link; setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 d/one
    setfattr -n user.binary -v 0x000a3dff d; head -c 700000 /dev/urandom > big; truncate -s 5M hole; printf x | dd of=hole bs=1 seek=2000000 conv=notrunc status=none
    truncate -s 4M all-hole; touch -d @5.5 d; touch -d '1950-01-01 00:00:00.25 UTC' big; touch -h -d @7 link; touch -d @9 empty`);
  const archive = pack();
  const source = inventory(upper);
  expect(differences(inventory(byGnuTar(archive)), source)).toEqual([]);
  expect(differences(inventory(unpacked(archive)), source)).toEqual([]);
  expect(archive.length).toBeLessThan(2 << 20);
  expect(statSync(join(unpacked(archive), 'hole')).blocks).toBeLessThan(100);
  expect(names(archive)).toHaveLength(Object.keys(source).length);
});

requires({ root: true, tools: [...tools, 'umoci'] }).it('a layer with everything in it is read by Go’s reader too', () => {
  sh(`mkdir -p d "$(printf 'n%.0s' $(seq 200))"; echo one > d/one; ln d/one again; ln -s d/one link; mkfifo fifo; chmod 6755 d/one; echo x > gone
    echo u > 'ünï'; truncate -s 5M hole; printf x | dd of=hole bs=1 seek=2000000 conv=notrunc status=none; printf end >> hole; truncate -s 4M all-hole
    chown 3000000:4000 d; touch -d @5.5 d/one; touch -d '1950-01-01 00:00:00.25 UTC' 'ünï'; setfattr -n user.a -v x d; rm gone; mknod gone c 0 0`);
  const work = newFolder(parent);
  writeFileSync(join(work, 'layer.tar'), pack());
  const commands = ['init --layout l', 'new --image l:t', 'raw add-layer --image l:t layer.tar', 'unpack --image l:t b'];
  execFileSync('sh', ['-ec', commands.map((command) => `umoci ${command} >&2`).join('\n')], { cwd: work, stdio: 'pipe' });
  const source = inventory(upper);
  delete source['/gone'];
  expect(differences(inventory(join(work, 'b/rootfs')), source)).toEqual([]);
});

describe('the archive', () => {
  it('is sorted by bytes, a folder before its content, and ends with two zero blocks', () => {
    for (const name of ['b', 'B', 'a', 'a-b', 'a.b']) mkdirSync(join(upper, name));
    for (const name of ['a/z', 'a/A', 'a/é', 'a-b/x', 'Z']) writeFileSync(join(upper, name), '');
    const archive = pack();
    expect(names(archive)).toEqual(['B', 'Z', 'a', 'a/A', 'a/z', 'a/é', 'a-b', 'a-b/x', 'a.b', 'b']);
    expect(archive.subarray(-1024).every((byte) => byte === 0)).toBe(true);
    expect(archive.length % 512).toBe(0);
  });

  it('has the same bytes whatever order things were made in', () => {
    const make = (order: string[]): Buffer => {
      upper = newFolder(parent);
      for (const name of order) writeFileSync(join(upper, name), name);
      linkSync(join(upper, 'm'), join(upper, 'l'));
      execFileSync('touch', ['-d', '@1.25', ...readdirSync(upper)], { cwd: upper });
      for (const attribute of order) execFileSync('setfattr', ['-n', `user.${attribute}`, '-v', '1', join(upper, 'z')]);
      return pack();
    };
    const first = make(['x', 'y', 'z', 'm', 'a']);
    expect(make(['z', 'a', 'm', 'y', 'x'])).toEqual(first);
    const linked = members(first).filter((member) => member.name === 'l' || member.name === 'm');
    expect(linked.map((member) => [member.name, member.type, member.link])).toEqual([
      ['l', '0', ''],
      ['m', '1', 'l'],
    ]);
  });

  it('uses PAX only where ustar can’t hold it, and names no users', () => {
    sh(
      'echo x > plain; echo x > fraction; echo x > attribute; echo x > owner; touch -d @5 plain attribute owner; touch -d @5.5 fraction; setfattr -n user.a -v b attribute; chown 3000000 owner',
    );
    const found = members(pack());
    expect(found.map((member) => [member.name, member.pax])).toEqual([
      ['attribute', ['SCHILY.xattr.user.a']],
      ['fraction', ['mtime']],
      ['owner', ['uid']],
      ['plain', []],
    ]);
    expect(found.every((member) => member.uname === '')).toBe(true);
  });

  it('mtime=: later times are clamped, earlier ones stay', () => {
    sh(
      'mkdir d; echo > late; echo > early; echo > fraction; touch -d @2000000000.5 late d; touch -d @1000 early; touch -d @1500.5 fraction',
    );
    expect(members(pack('mtime=1500')).map((member) => [member.name, member.mtime])).toEqual([
      ['d', 1500],
      ['early', 1000],
      ['fraction', 1500],
      ['late', 1500],
    ]);
    expect(feed(driver, ['pack', upper, 'mtime=x']).error).toMatch(/^EINVAL/);
  });

  it('leaves out sockets and the attributes of overlayfs', () => {
    sh(`mkdir d; setfattr -n trusted.overlay.origin -v x d; setfattr -n trusted.overlay.impure -v y d; setfattr -n user.overlay.foo -v x d; setfattr -n user.kept -v x d
      python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("s")'`);
    expect(members(pack())).toMatchObject([{ name: 'd', pax: expect.arrayContaining(['SCHILY.xattr.user.kept']) }]);
    expect(pack().includes('overlay')).toBe(false);
  });
});

describe('whiteouts', () => {
  it('of both kinds, and opaque folders first', () => {
    sh(`mknod gone c 0 0; ln gone gone-too; mkdir o; echo > o/-; setfattr -n trusted.overlay.opaque -v y o; mkdir u; setfattr -n user.overlay.opaque -v y u
      mkdir x; setfattr -n trusted.overlay.opaque -v x x; : > x/w; setfattr -n trusted.overlay.whiteout x/w; ln x/w x/w2; : > x/file`);
    const found = members(pack());
    expect(found.map((member) => member.name)).toEqual([
      '.wh.gone',
      '.wh.gone-too',
      'o',
      'o/.wh..wh..opq',
      'o/-',
      'u',
      'x',
      'x/file',
      'x/.wh.w',
      'x/.wh.w2',
    ]);
    for (const mark of found.filter((member) => member.name.includes('.wh.')))
      expect(mark).toMatchObject({ type: '0', mode: 0, uid: 0, mtime: 0, size: 0 });
  });

  it('of an ordinary user’s overlay have other names, and root’s are none there', () => {
    sh(`mkdir o u; setfattr -n trusted.overlay.opaque -v y o; setfattr -n user.overlay.opaque -v y u; : > w; setfattr -n user.overlay.whiteout w
      : > f; setfattr -n trusted.overlay.whiteout f`);
    expect(members(pack('marks=user')).map((member) => member.name)).toEqual(['f', 'o', 'u', 'u/.wh..wh..opq', '.wh.w']);
    expect(members(pack('marks=trusted')).map((member) => member.name)).toEqual(['.wh.f', 'o', 'o/.wh..wh..opq', 'u', 'w']);
    expect(feed(driver, ['pack', upper, 'marks=both']).error).toMatch(/^EINVAL/);
  });

  it('what lies deeper than any path leads is refused, by pack and by changes', () => {
    const nest = (names: number) =>
      sh(`python3 -c 'import os
for i in range(${names}): os.mkdir("d" * 255); os.chdir("d" * 255)'`);
    nest(15);
    expect(members(pack())).toHaveLength(15);
    upper = newFolder(parent);
    nest(40);
    for (const work of ['pack', 'changes'])
      expect(feed(driver, [work, upper]).error).toMatch(/^ENAMETOOLONG: \/?ddd.*: it lies too deep: its path has more than 4095 bytes/);
    // Node removes no tree that is deeper than its paths are long
    execFileSync('rm', ['-r', upper]);
  });

  it('a file that would be read as a whiteout is refused', () => {
    writeFileSync(join(upper, '.wh.etc'), '');
    expect(refused()).toMatch(/^EINVAL: \.wh\.etc: a layer can't hold a name that begins with \.wh\./);
  });

  it('what is only partly in the upper is refused', () => {
    sh('echo > f; setfattr -n trusted.overlay.metacopy -v x f');
    expect(refused()).toMatch(/^EOPNOTSUPP: f: only the file's metadata/);
    upper = newFolder(parent);
    sh('mkdir d; setfattr -n trusted.overlay.redirect -v /x d');
    expect(refused()).toMatch(/^EOPNOTSUPP: d: the folder was renamed by reference/);
  });

  it('come back as overlayfs has them', () => {
    sh('mkdir d o; mknod d/gone c 0 0; setfattr -n trusted.overlay.opaque -v y o; echo > o/f; touch -d @0 d/gone');
    expect(
      differences(inventory(unpacked(pack(), 'whiteouts=overlay')), inventory(upper)).filter(
        (line) => !line.startsWith('/d:') && !line.startsWith('/d/gone'),
      ),
    ).toEqual([]);
  });

  overlay.it('a real overlay’s upper, applied to its lower, is what was seen', () => {
    const script = `
      mount -t tmpfs tmpfs /mnt; cd /mnt; mkdir lower upper work m; cd lower
      mkdir -p a/b c d/sub e; echo 1 > a/1; echo 2 > a/b/2; echo 3 > c/3; echo 4 > d/4; echo 5 > d/sub/5; echo 6 > f; echo 7 > e/7; ln f g; ln -s f l
      cp -a . ../applied; cd ..
      mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work m; cd m
      rm a/1; rm -r c; rm -r d; mkdir d; echo new > d/new; rm -r e; echo file > e; rm l; mkdir l; echo x > l/x; echo more >> f; chmod 700 a/b; mkdir n; echo n > n/n; ln n/n n/link
      cd ..; "$0" pack upper > layer.tar; umount m; mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work m
      (cd m && find . -mindepth 1 -printf '%P %y %m %s %l\\n' | grep -v ' d ' | sort) > seen
      "$0" unpack applied < layer.tar
      (cd applied && find . -mindepth 1 -printf '%P %y %m %s %l\\n' | grep -v ' d ' | sort) > got
      (cd m; find . -type d | sort) > seen-folders; (cd applied; find . -type d | sort) > got-folders
      cat seen; echo ==; cat got; echo ==; cat seen-folders; echo ==; cat got-folders`;
    const [seen, got, seenFolders, gotFolders] = execFileSync('unshare', ['-m', 'bash', '-ec', script, driver], { encoding: 'utf8' }).split(
      '==\n',
    );
    expect(got).toBe(seen);
    expect(gotFolders).toBe(seenFolders);
    expect(seen).toContain('d/new f');
  });
});

it('a reader that goes away is EPIPE', async () => {
  writeFileSync(join(upper, 'big'), Buffer.alloc(8 << 20, 1));
  const child = spawn(driver, ['pack', upper]);
  let error = '';
  child.stderr.on('data', (chunk: Buffer) => {
    error += chunk.toString();
  });
  child.stdout.once('data', () => child.stdout.destroy());
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code).toBe(1);
  expect(error).toMatch(/^EPIPE: /);
});

type Node = { [name: string]: Node | string };
const name = fc
  .uint8Array({ minLength: 1, maxLength: 120 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte))).toString('latin1'))
  .filter((text) => text !== '.' && text !== '..' && !text.startsWith('.wh.'));
const { node } = fc.letrec<{ node: Node | string }>((tie) => ({
  node: fc.oneof({ maxDepth: 4 }, fc.string({ maxLength: 600 }), fc.dictionary(name, tie('node'), { maxKeys: 4 }) as fc.Arbitrary<Node>),
}));

function grow(folder: Buffer, tree: Node): void {
  for (const [child, content] of Object.entries(tree)) {
    const path = Buffer.concat([folder, Buffer.from('/'), Buffer.from(child, 'latin1')]);
    if (typeof content === 'object') {
      mkdirSync(path);
      grow(path, content);
    } else if (content.startsWith('a')) {
      symlinkSync(content.replaceAll('\0', '0'), path);
    } else {
      writeFileSync(path, content);
    }
  }
}

it('any tree survives packing, for GNU tar and for us', () => {
  fc.assert(
    fc.property(fc.dictionary(name, node, { minKeys: 1, maxKeys: 5 }), (tree) => {
      upper = join(mkdtempSync(join(parent, 'p-')), 'root');
      mkdirSync(upper);
      grow(Buffer.from(upper), tree as Node);
      const archive = pack();
      const source = inventory(upper);
      expect(differences(inventory(byGnuTar(archive)), source)).toEqual([]);
      expect(differences(inventory(unpacked(archive)), source)).toEqual([]);
      expect(pack()).toEqual(archive);
    }),
    { numRuns: 40 },
  );
});
