import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { bundle } from '../fixtures/bundle.js';
import { busyboxRootfs } from '../fixtures/images.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });

const project = fileURLToPath(new URL('../..', import.meta.url));
const folder = temporaryFolder();

const IMPORTED = "import { Container, Image } from 'nacelle'";
const REQUIRED = "const { Container, Image } = require('nacelle')";

const program = (load: string) => `
  ${load};
  const show = (error) => [error.name, error.code, error.message].join(' ');
  Promise.allSettled([
    Container.run({ image: 'host', command: ['echo', 'hello'] }).then(({ stdout }) => stdout),
    Image.pull('127.0.0.1:1/a/b:1', { retries: 0 }),
  ]).then((results) => console.log(JSON.stringify(results.map(({ value, reason }) => value ?? show(reason)))));`;

/** Bundles the program as a project does that has the package in its node_modules, and runs it. */
async function bundled(format: 'cjs' | 'esm', options: string[], load = IMPORTED): Promise<[ran: string, pulled: string]> {
  const at = mkdtempSync(join(folder, 'project-'));
  mkdirSync(join(at, 'node_modules'));
  symlinkSync(project, join(at, 'node_modules', 'nacelle'));
  writeFileSync(join(at, 'program.js'), program(load));
  const outfile = join(at, 'dist', `program.${format === 'esm' ? 'mjs' : 'cjs'}`);
  bundle(join(at, 'program.js'), outfile, ['--bundle', '--platform=node', `--format=${format}`, ...options]);
  const text = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [outfile], { cwd: at }, (error, stdout, stderr) => (error ? reject(new Error(stderr)) : resolve(stdout)));
  });
  return JSON.parse(text);
}

describe.each(['cjs', 'esm'] as const)('in a bundle (%s)', (format) => {
  it('it works when it is left out', async () => {
    const [ran, pulled] = await bundled(format, ['--external:nacelle']);
    expect(ran).toBe('hello\n');
    expect(pulled).toMatch(/^ImageError ERR_IMAGE .*ECONNREFUSED/);
  });

  it('it says so when it is not', async () => {
    const refused = /UnsupportedError.*nacelle in a bundle.*external/s;
    await expect(bundled(format, [])).rejects.toThrow(refused);
  });
});

it('in a bundle of what requires it, its first use says so', async () => {
  for (const what of await bundled('cjs', [], REQUIRED)) expect(what).toMatch(/^UnsupportedError ERR_UNSUPPORTED .*bundle.*external/);
});

describe('of the package', () => {
  it('what is loaded later says what to raise where no descriptor is left, and is loaded once there is one', async () => {
    // the host's image may have many mounts, each with descriptors of its own
    const image = `dir:${await busyboxRootfs()}`;
    const script = `
      const { closeSync, openSync } = require('node:fs');
      const { Container, Image, build } = require(${JSON.stringify(project)});
      const open = [];
      const say = async (work) => {
        try {
          return (await work()).status;
        } catch ({ name, code, message }) {
          return [name, code, message.endsWith('raise the limit on open files (ulimit -n)')];
        }
      };
      const run = () => Container.run({ image: ${JSON.stringify(image)}, command: ['true'] });
      (async () => {
        try {
          for (;;) open.push(openSync('/'));
        } catch (error) {
          if (error.code !== 'EMFILE') throw error;
        }
        const without = [];
        for (const work of [run, () => Container.pool({ image: 'host' }), () => Image.load('/missing'), () => build({ context: '/missing' })])
          without.push(await say(work));
        for (const fd of open) closeSync(fd);
        console.log(JSON.stringify([without, await say(run)]));
      })();`;
    const told = execFileSync('sh', ['-c', 'ulimit -n 128; exec "$@"', 'sh', process.execPath, '-e', script], { encoding: 'utf8' });
    expect(JSON.parse(told)).toEqual([Array.from({ length: 4 }, () => ['SyscallError', 'EMFILE', true]), 'ok']);
  });

  it('the executable that `nacelle-oci install` writes is the command', () => {
    const [file, link] = [join(folder, 'oci'), join(folder, 'linked-oci')];
    // as npm links it
    symlinkSync(join(project, 'dist/nacelle-oci.cjs'), link);
    execFileSync(process.execPath, [link, 'install', file]);
    expect(execFileSync(file, ['--version'], { encoding: 'utf8' })).toMatch(/^nacelle-oci version /);
  });

  it('has each module in one file, but for those of the classes that the command has for itself', () => {
    const dist = join(project, 'dist');
    const files = readdirSync(dist).filter((name) => name.endsWith('.cjs'));
    const modulesOf = (name: string): string[] =>
      [...readFileSync(join(dist, name), 'utf8').matchAll(/^ {2}"lib:(lib\/.*)"\(/gm)].map(([, file = '']) => file);
    const api = modulesOf('api.cjs');
    const all = files.flatMap((name) => modulesOf(name).filter((file) => name !== 'oci.cjs' || !api.includes(file)));
    expect(all.length).toBeGreaterThan(500);
    expect(all.filter((file, index) => all.indexOf(file) < index)).toEqual([]);
  });

  const read = `Object.keys(require.cache).map((file) => require('node:path').basename(file)).filter((name) => name.endsWith('.cjs')).sort()`;
  /** Which files of it are read by an import, and by four runs, of which the third and fourth may have containers that were parked ahead. */
  const filesRead = (options: object): [string[], string[]] => {
    const source = `const { Container } = require('nacelle');
      const before = ${read};
      const run = () => Container.run({ command: ['true'], ...${JSON.stringify(options)} });
      run().then(run).then(run).then(run).then(() => console.log(JSON.stringify([before, ${read}])))`;
    return JSON.parse(execFileSync(process.execPath, ['-e', source], { cwd: project, encoding: 'utf8' }));
  };

  it('an import reads the classes alone', () => {
    expect(filesRead({ image: 'host' })[0]).toEqual(['api.cjs', 'index.cjs', 'load.cjs']);
  });

  // another user's may look for subordinate ids, and for groups in another place
  requires({ containers: true, root: true }).it.each([
    { image: 'host' },
    { image: 'host', memory: '64m', pidsLimit: 32, timeout: 60_000, input: 'text', user: '65534:65534', readOnly: true },
  ])("root's runs read what scripts/first-run.txt names: %j", (options) => {
    expect(filesRead(options)[1]).toEqual(['api.cjs', 'core.cjs', 'index.cjs', 'load.cjs', 'run.cjs']);
  });
});
