import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { Container, Image, type RunOptions } from '../../../lib/index.js';
import { DEBIAN_TOOLS, debianImage, EVERY_KIND_TOOLS, everyKindImage } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();

// not /tmp, which may be a tmpfs: what of the host is in memory alone is never seen in a container
const folder = temporaryFolder('/var/tmp');
beforeAll(() => {
  process.env.NACELLE_ROOT = join(folder, 'store');
});
afterAll(() => {
  delete process.env.NACELLE_ROOT;
});

const images = requires({ root: true, tools: [...DEBIAN_TOOLS, ...EVERY_KIND_TOOLS] });
const root = requires({ root: true, tools: ['grep'] });

async function output(options: RunOptions): Promise<string> {
  const result = await Container.run(options);
  expect(result.failed, `${result.reason}: ${result.stderr}`).toBe(false);
  return result.stdout.trimEnd();
}

images.describe('a Debian image', () => {
  const run = async (...command: string[]): Promise<string> => output({ image: `oci:${await debianImage()}:debian`, command });

  images.it('runs bash, apt-get and perl', async () => {
    expect(await run('bash', '-c', 'echo $((6 * 7)) from bash "$BASH_VERSION"')).toMatch(/^42 from bash \d/);
    expect(await run('apt-get', '--version')).toMatch(/^apt \d/);
    expect(await run('perl', '-e', 'print join(",", map { $_ ** 2 } 1 .. 4)')).toBe('1,4,9,16');
    expect(await run('cat', '/etc/debian_version')).toMatch(/\d/);
  });

  images.it('is not changed by a container', async () => {
    expect(await run('sh', '-c', 'rm -r /usr/share /etc/passwd; echo new > /etc/new; ls -d /etc/passwd 2>/dev/null; cat /etc/new')).toBe(
      'new',
    );
    expect(await run('sh', '-c', 'ls -d /usr/share /etc/passwd; test ! -e /etc/new')).toBe('/etc/passwd\n/usr/share');
  });
});

images.it('an image with whiteouts shows what its upper layer left, and its devices open nothing', async () => {
  const image = await Image.open(`oci:${await everyKindImage()}:busybox`);
  const script =
    'ls -d /removed /etc/hosts.gone 2>/dev/null; ls -A /replaced; cat /kinds/link | head -1; cat /kinds/null; echo "status $?"';
  const { stdout, stderr } = await Container.run({ image, command: ['sh', '-c', script] });
  expect(stdout).toBe('only\nroot:x:0:0:root:/root:/bin/sh\nstatus 1\n');
  expect(stderr).toMatch(/Permission denied/);
});

root.describe('the host', () => {
  const host = (script: string): Promise<string> => output({ image: 'host', command: ['sh', '-c', script] });

  root.it('is there: programs run, files are read', async () => {
    expect(await host('cat /etc/passwd')).toBe(readFileSync('/etc/passwd', 'utf8').trimEnd());
    expect((await host('sha256sum /etc/passwd')).split(' ')[0]).toBe(
      createHash('sha256').update(readFileSync('/etc/passwd')).digest('hex'),
    );
  });

  root.it('hides credentials: they do not exist', async () => {
    const hidden = ['/etc/shadow', '/etc/gshadow', '/etc/ssl/private', '/var/lib/nacelle', join(folder, 'store')].filter(
      (path) => path !== '',
    );
    expect(
      await host(`for f in ${hidden.join(' ')}; do if [ -e "$f" ]; then echo "$f"; fi; done; ls /etc | grep -c '^shadow' || true`),
    ).toBe('0');
  });

  root.it('has the private folders, empty, with their modes', async () => {
    const folders = ['/root', '/home', '/tmp', '/var/tmp'];
    expect(await host(`for f in ${folders.join(' ')}; do echo "$f $(stat -c %a $f) $(ls -A $f | wc -l)"; done`)).toBe(
      folders.map((path) => `${path} ${(statSync(path).mode & 0o7777).toString(8)} 0`).join('\n'),
    );
  });

  root.it('is not changed by what happens inside', async () => {
    const before = readdirSync('/etc').sort();
    expect(
      await host('rm -rf /etc/passwd /usr/share/doc; echo x > /etc/nacelle-was-here; echo y > /root/z; cat /etc/nacelle-was-here'),
    ).toBe('x');
    expect(readdirSync('/etc').sort()).toEqual(before);
    expect(existsSync('/root/z')).toBe(false);
  });

  root.it('hides what the caller says instead', async () => {
    const secret = join(folder, 'secret');
    mkdirSync(secret, { recursive: true });
    writeFileSync(join(secret, 'key'), 'k');
    const image = Image.host({ hide: [join(folder, 'sec*')] });
    const script = `ls -d ${folder} ${secret} 2>/dev/null; test -e /etc/shadow && echo seen; test -e ${join(folder, 'store')} || echo no store`;
    expect(await output({ image, command: ['sh', '-c', script] })).toBe(`${folder}\nseen\nno store`);
  });
});
