import { describe, expect, it } from 'vitest';
import { type FolderEntry, visiblePaths } from '../../../lib/security/visible-paths.js';

/** A file system as paths; a '/' at the end makes a folder, an '@' anything else. */
function lister(...paths: string[]): (folder: string) => FolderEntry[] {
  return (folder) => {
    const prefix = folder === '/' ? '/' : `${folder}/`;
    const names = paths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
    const first = new Map<string, FolderEntry['type']>();
    for (const name of names) {
      const [head = '', ...rest] = name.split('/');
      if (head === '') continue;
      if (rest.length > 0) first.set(head, 'folder');
      else first.set(head.replace('@', ''), head.endsWith('@') ? 'other' : 'file');
    }
    return [...first].map(([name, type]) => ({ name, type }));
  };
}

const refuse = (): never => {
  throw new Error('it looked into a folder without need');
};

describe('visiblePaths', () => {
  it('is the folder itself where nothing below is hidden, and looks into none', () => {
    expect(visiblePaths('/usr', ['/etc/shadow', '/usr2', '/us'], refuse)).toEqual({ folders: ['/usr'], files: [] });
  });

  it('is nothing of what is hidden, or lies in it', () => {
    for (const folder of ['/root', '/root/a', '/root/a/b']) {
      expect(visiblePaths(folder, ['/root'], refuse)).toEqual({ folders: [], files: [] });
    }
  });

  it('is what lies beside the hidden', () => {
    const list = lister('/etc/passwd', '/etc/shadow', '/etc/ssl/private/key', '/etc/ssl/certs/ca', '/etc/apt/', '/etc/link@');
    expect(visiblePaths('/etc', ['/etc/shadow', '/etc/ssl/private'], list)).toEqual({
      folders: ['/etc/ssl/certs', '/etc/apt'],
      files: ['/etc/passwd'],
    });
  });

  it('takes a star for any part of one name', () => {
    const list = lister(
      '/etc/ssh/ssh_host_rsa_key',
      '/etc/ssh/ssh_host_rsa_key.pub',
      '/etc/ssh/ssh_host_key',
      '/etc/pki/a/private/k',
      '/etc/pki/a/b',
    );
    expect(visiblePaths('/etc', ['/etc/ssh/ssh_host_*_key', '/etc/pki/*/private'], list)).toEqual({
      folders: [],
      files: ['/etc/ssh/ssh_host_rsa_key.pub', '/etc/ssh/ssh_host_key', '/etc/pki/a/b'],
    });
  });

  it('takes no other character for more than itself', () => {
    const list = lister('/e/a.b', '/e/axb', '/e/a.c');
    expect(visiblePaths('/e', ['/e/a.b'], list).files).toEqual(['/e/axb', '/e/a.c']);
    expect(visiblePaths('/e', ['/e/a.*'], list).files).toEqual(['/e/axb']);
  });

  it('goes through the root', () => {
    expect(visiblePaths('/', ['/root'], lister('/root/a', '/usr/b', '/file'))).toEqual({ folders: ['/usr'], files: ['/file'] });
  });
});
