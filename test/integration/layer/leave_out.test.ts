import { execFileSync } from 'node:child_process';
import { beforeAll, expect } from 'vitest';
import { ChangeParser } from '../../../lib/filesystem/change.js';
import { feed, LAYER_COMPILER, layerDriver, newFolder } from '../../fixtures/layer.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

// What is left out of a layer and of a list of changes: places that are mounted over, and what is in volumes.
const { describe, it } = requires({ root: true, tools: [LAYER_COMPILER, 'tar'] });

const parent = temporaryFolder();
let driver = '';
beforeAll(async () => {
  driver = await layerDriver();
});

const shell = (folder: string, script: string): void => void execFileSync('sh', ['-euc', script], { cwd: folder });

/** The names that are left, as the layer has them and as the list of changes has them. */
function left(lowers: string[], change: string, ...options: string[]): { packed: string[]; listed: string[] } {
  const upper = newFolder(parent);
  shell(upper, change);
  const layers = lowers.map((make) => {
    const lower = newFolder(parent);
    shell(lower, make);
    return `lower=${lower}`;
  });
  const [packed, listed] = (['pack', 'changes'] as const).map((command) => {
    const { error, output } = feed(driver, [command, upper, ...layers, ...options]);
    expect(error).toBe('');
    return output;
  });
  const names = execFileSync('tar', ['-t'], { input: packed, encoding: 'utf8' }).split('\n').filter(Boolean);
  return { packed: names, listed: [...new ChangeParser().push(listed ?? Buffer.alloc(0))].map(({ path }) => path) };
}

const MADE = 'mkdir -p etc data/in run/db; echo x | tee etc/hosts etc/more data/in/file run/db/file > top';

describe('what is left out', () => {
  it('is a place with all that is in it, or what is in a folder', () => {
    expect(left([], MADE, 'exclude=etc/hosts', 'exclude=run', 'empty=data')).toEqual({
      packed: ['data/', 'etc/', 'etc/more', 'top'],
      listed: ['/data', '/etc', '/etc/more', '/top'],
    });
    expect(left([], MADE, 'exclude=et', 'exclude=hosts', 'empty=top').packed).toContain('etc/hosts');
  });

  it.each<[string, string[], string]>([
    ['absolute', ['mkdir var; ln -s /run var/run'], 'var/run/db'],
    ['relative', ['mkdir var; ln -s ../run var/run'], 'var/run/db'],
    ['past the root', ['mkdir var; ln -s ../../../../run var/run'], 'var/run/db'],
    ['one after the other', ['mkdir var; ln -s /a/./b var/run; mkdir a; ln -s ../c a/b; ln -s run c'], 'var/run/db'],
    ['in the topmost layer', ['mkdir var; ln -s /run var/run', 'mkdir -p var; ln -s /etc var/run'], 'var/run/db'],
    ['to a place that no layer has', ['ln -s /run/db link'], 'link'],
    ['with a dot-dot after it', ['mkdir x; ln -s /run/db x/link'], 'x/link/../db'],
  ])('is found through links: %s', (_, lowers, path) => {
    expect(left(lowers, MADE, `empty=${path}`).packed).toEqual([
      'data/',
      'data/in/',
      'data/in/file',
      'etc/',
      'etc/hosts',
      'etc/more',
      'run/',
      'run/db/',
      'top',
    ]);
  });

  it('is not found through links that a layer above hides', () => {
    const hidden = ['mknod var c 0 0', 'mkdir var; ln -s /run var/run'];
    expect(left(hidden, MADE, 'empty=var/run/db').packed).toContain('run/db/file');
  });

  it('is what its name says where links lead nowhere: nothing can be mounted at their end', () => {
    expect(left(['mkdir etc; ln -s hosts etc/hosts'], MADE, 'exclude=etc/hosts').packed).not.toContain('etc/hosts');
    const long = `mkdir etc; ln -s ${'n'.repeat(300)} etc/hosts`;
    expect(left([long], MADE, 'exclude=etc/hosts').packed).not.toContain('etc/hosts');
  });

  it('is not looked for without end', () => {
    const chain = Array.from({ length: 500 }, () => 'a').join('/');
    const links = Array.from({ length: 35 }, (_, index) => `ln -s "/${'../a/'.repeat(400)}../l${index + 1}" l${index}`).join('; ');
    const lower = newFolder(parent);
    shell(lower, `mkdir -p ${chain}; ${links}`);
    const layers = Array.from({ length: 40 }, () => `lower=${lower}`);
    for (const command of ['pack', 'changes'])
      expect(feed(driver, [command, newFolder(parent), ...layers, 'empty=l0/x', 'empty=l0/y', 'empty=l0/z']).error).toMatch(/^EDOM: /);
  });

  it('is an error when it is no path', () => {
    const upper = newFolder(parent);
    for (const command of ['pack', 'changes']) {
      for (const wrong of ['empty=', 'exclude=/etc', 'empty=etc/', 'other=x'])
        expect(feed(driver, [command, upper, wrong]).error).toMatch(/^EINVAL: /);
    }
  });
});
