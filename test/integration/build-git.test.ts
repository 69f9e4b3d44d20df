import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, vi } from 'vitest';
import { hasCode } from '../../lib/errors.js';
import { type BuildOptions, type BuildResult, build, Image } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { type GitRepositories, gitRepositories } from '../fixtures/git-repositories.js';
import { type GitServer, gitServer } from '../fixtures/git-server.js';
import { layerListing } from '../fixtures/layer-listing.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { until } from '../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['tar', 'gzip', 'git'] });
const asRoot = requires({ root: true, tools: ['tar', 'gzip', 'git', 'setpriv'] });

/** Processes of this machine whose program has a name that begins so, and what is known of each that is still there. */
function processesOf(name: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && fileOf(pid, 'comm').startsWith(name));
}
function environmentOf(pid: number): string {
  return fileOf(pid, 'environ');
}
function ownerOf(pid: number): number {
  return Number(/^Uid:\s+(\d+)/m.exec(fileOf(pid, 'status'))?.[1]);
}
function fileOf(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return '';
    throw error;
  }
}

const TIME = '2001-09-09T01:46:40Z';
const LISTED = '2001-09-09 01:46:40';

describe('build: ADD of git repositories', () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);
  let server: GitServer;
  let repositories = '';
  let count = 0;

  beforeEach(async () => {
    repositories = join(folder, `repositories-${count++}`);
    mkdirSync(repositories);
    server = await gitServer(repositories);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await server.close();
    const left = existsSync(join(store.root, 'tmp')) ? readdirSync(join(store.root, 'tmp')) : [];
    expect(left.filter((name) => !name.endsWith('.lease'))).toEqual([]);
  });

  const git: GitRepositories['git'] = (...args) => made().git(...args);
  const repository: GitRepositories['repository'] = (...args) => made().repository(...args);
  const committed: GitRepositories['committed'] = (...args) => made().committed(...args);
  const made = (): GitRepositories => gitRepositories(repositories, TIME);

  const run = (lines: string, options: BuildOptions = {}): Promise<BuildResult> =>
    build({
      context: buildContext(folder, { same: 'of the context' }),
      dockerfile: { content: `FROM scratch\nARG ROOT\n${lines}` },
      buildArgs: { ROOT: server.root },
      pull: 'never',
      network: 'host',
      ...options,
    });

  const names = async (image: Image, index = 0): Promise<string[]> =>
    (await layerListing(image, index, folder)).map((line) => line.replace(/^.*\d\d:\d\d:\d\d /, ''));

  it('gives the files of a branch, a tag, a commit and a folder, of which a later build takes the layer', async () => {
    const first = repository('a.git', { same: 'one', 'd/run': '#!/bin/sh', 'd/e/f': '' });
    git('a.git', 'tag', '-a', '-m', 'x', 'v1');
    chmodSync(join(repositories, 'a.git/d/run'), 0o755);
    symlinkSync('d/run', join(repositories, 'a.git/link'));
    const second = repository('a.git', { same: 'two and more' });
    const lines = ['#main', '#v1', `#${first}`, '?branch=main&subdir=d'].map((what) => `ADD --link $ROOT/a.git${what} /x/`);
    const text = [...lines, 'ADD --link --chown=5:6 --exclude=d same $ROOT/a.git /'].join('\n');
    const { image } = await run(text);
    expect(await layerListing(image, 0, folder)).toEqual([
      expect.stringMatching(/^drwxr-xr-x 0\/0 .* x\/$/),
      `drwxr-xr-x 0/0               0 ${LISTED} x/d/`,
      `drwxr-xr-x 0/0               0 ${LISTED} x/d/e/`,
      `-rw-r--r-- 0/0               0 ${LISTED} x/d/e/f`,
      `-rwxr-xr-x 0/0               9 ${LISTED} x/d/run`,
      `lrwxrwxrwx 0/0               0 ${LISTED} x/link -> d/run`,
      `-rw-r--r-- 0/0              12 ${LISTED} x/same`,
    ]);
    const old = ['x/', 'x/d/', 'x/d/e/', 'x/d/e/f', 'x/d/run', 'x/same'];
    expect(await Promise.all([1, 2, 3].map((index) => names(image, index)))).toEqual([old, old, ['x/', 'x/e/', 'x/e/f', 'x/run']]);
    const last = await layerListing(image, 4, folder);
    expect(last.filter((line) => line.startsWith('-')).map((line) => line.split(/ +/).slice(1, 3))).toEqual([['5/6', '12']]);
    server.asked.length = 0;
    const again = await run(text);
    expect(again.steps.map(({ cached }) => cached)).toEqual([null, true, true, true, true, true]);
    expect(again.image.digest).toBe(image.digest);
    // nothing was fetched, and of a commit nothing asked
    expect(server.asked.filter((path) => path.endsWith('/info/refs'))).toHaveLength(4);
    expect(second).not.toBe(first);
  });

  it('keeps the repository when it is asked for, compares commits, and has submodules of its own server', async () => {
    repository('sub.git', { inner: 'x' });
    repository('a.git', { file: 'x' });
    git('a.git', 'submodule', 'add', '-q', '../sub.git', 'below');
    const commit = committed('a.git');
    const lines = [`--keep-git-dir $ROOT/a.git#main`, `--checksum=${commit.slice(0, 12)} $ROOT/a.git`, '$ROOT/a.git?submodules=false'];
    const { image } = await run(lines.map((line) => `ADD --link ${line} /`).join('\n'));
    const kept = await names(image);
    expect(kept).toEqual(expect.arrayContaining(['.git/HEAD', '.git/refs/heads/main', '.gitmodules', 'below/inner', 'file']));
    expect(kept.filter((name) => name.includes('hooks/'))).toEqual([]);
    expect(await names(image, 1)).toEqual(['.gitmodules', 'below/', 'below/inner', 'file']);
    expect(await names(image, 2)).toEqual(['.gitmodules', 'below/', 'file']);
  });

  it('sends a secret to the server of the URL, and has it nowhere', async () => {
    repository('a.git', { file: 'x' });
    server.authorization = `basic ${Buffer.from('x-access-token:s3cret').toString('base64')}`;
    await expect(run('ADD $ROOT/a.git /')).rejects.toThrow(/a\.git.*403/s);
    const tar = join(folder, 'files.tar');
    const { image } = await run('ADD --keep-git-dir=true $ROOT/a.git /', { secrets: { GIT_AUTH_TOKEN: 's3cret' }, output: { tar } });
    const all = readFileSync(tar, 'latin1');
    expect([all.includes(`url = ${server.root}/a.git`), /s3cret|eC1hY2Nlc3MtdG9rZW4/.test(all)]).toEqual([true, false]);
    expect(JSON.stringify(image.config)).not.toContain('s3cret');
  });

  asRoot.it('nobody of this machine can read the secret in the environment of git', async () => {
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const canRead = (pid: number): boolean =>
      spawnSync('setpriv', [...nobody, 'cat', `/proc/${pid}/environ`], { encoding: 'utf8' }).stdout.includes('GIT_CONFIG_VALUE');
    const waiting = createServer();
    await once(waiting.listen(0, '127.0.0.1'), 'listening');
    const address = waiting.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const other = spawn('setpriv', [...nobody, 'sleep', '1000'], {
      env: { PATH: process.env.PATH, GIT_CONFIG_VALUE_0: 'x' },
      stdio: 'ignore',
    });
    const stop = new AbortController();
    try {
      const url = `http://127.0.0.1:${port}/a.git`;
      const building = run(`ADD ${url} /`, { secrets: { GIT_AUTH_TOKEN: 's3cret' }, cancelSignal: stop.signal });
      const failed = building.catch((error: unknown) => error);
      await once(waiting, 'request');
      const asking = processesOf('git').filter((pid) => environmentOf(pid).includes(url.slice(0, -'/a.git'.length)));
      expect(asking.length).toBeGreaterThan(0);
      expect(asking.map(canRead)).toEqual(asking.map(() => false));
      expect(asking.map((pid) => ownerOf(pid) > 65536)).toEqual(asking.map(() => true));
      // a process of nobody's that is not in a namespace of its own
      await until('a process of nobody runs', () => canRead(other.pid ?? 0));
      stop.abort();
      await failed;
    } finally {
      other.kill('SIGKILL');
      waiting.closeAllConnections();
      await new Promise((resolve) => waiting.close(resolve));
    }
  });

  it('takes no secret to where a server leads, and follows it without one', async () => {
    repository('a.git', { file: 'x' });
    const other = await gitServer(repositories);
    try {
      server.elsewhere = other.root;
      const secrets = { GIT_AUTH_TOKEN: 's3cret' };
      await expect(run('ADD $ROOT/a.git /', { secrets })).rejects.toThrow(/a\.git.*redirect|a\.git.*302/s);
      expect(other.asked).toEqual([]);
      expect(await names((await run('ADD $ROOT/a.git /')).image)).toEqual(['file']);
      expect(other.asked.length).toBeGreaterThan(0);
    } finally {
      await other.close();
    }
  });

  it('fetches all where a server has no shallow commits', async () => {
    const first = repository('a.git', { file: 'one' });
    repository('a.git', { file: 'two' });
    git('a.git', 'repack', '-qad');
    git('a.git', 'update-server-info');
    server.isDumb = true;
    const { image } = await run(`ADD --link $ROOT/a.git /\nADD --link $ROOT/a.git#${first} /b/`);
    expect([await names(image), await names(image, 1)]).toEqual([['file'], ['b/', 'b/file']]);
  });

  it('a repository reaches nothing of this machine, and runs nothing', async () => {
    const target = repository('sub.git', { inner: 'x' });
    const hostile = {
      file: [`file://${repositories}/sub.git`, "transport 'file' not allowed"],
      ext: ['ext::sh -c touch%20/tmp/ran', "transport 'ext' not allowed"],
      option: ['--upload-pack=touch /tmp/ran', "No url found for submodule path 'below'"],
    };
    for (const [name, [url, message]] of Object.entries(hostile)) {
      repository(`${name}.git`, { '.gitmodules': `[submodule "below"]\n\tpath = below\n\turl = "${url}"\n\tupdate = checkout\n` });
      git(`${name}.git`, 'update-index', '--add', '--cacheinfo', `160000,${target},below`);
      git(`${name}.git`, 'commit', '-qm', 'x');
      await expect(run(`ADD $ROOT/${name}.git /`)).rejects.toThrow(message);
    }
    // a name that is a path out of the place for repositories of submodules (CVE-2018-11235)
    repository('name.git', { '.gitmodules': `[submodule "../../../out"]\n\tpath = below\n\turl = ${server.root}/sub.git\n` });
    git('name.git', 'update-index', '--add', '--cacheinfo', `160000,${target},below`);
    git('name.git', 'commit', '-qm', 'x');
    await expect(run('ADD $ROOT/name.git /')).rejects.toThrow(/suspicious submodule name|No url found/);
    // a tree that has what git reads as its own (CVE-2014-9390)
    repository('own.git', { config: '[core]\n\tfsmonitor = touch /tmp/ran\n' });
    const inner = git('own.git', 'rev-parse', 'HEAD^{tree}');
    const tree = Buffer.concat([Buffer.from('40000 .GIT\0'), Buffer.from(inner, 'hex')]);
    writeFileSync(join(repositories, 'own.git/tree'), tree);
    const outer = git('own.git', 'hash-object', '-w', '-t', 'tree', '--literally', 'tree');
    git('own.git', 'update-ref', 'HEAD', git('own.git', 'commit-tree', '-m', 'x', outer));
    await expect(run('ADD $ROOT/own.git /')).rejects.toThrow(/invalid path '\.GIT/);
    repository('link.git', { file: 'x' });
    symlinkSync('/etc', join(repositories, 'link.git/out'));
    committed('link.git');
    await expect(run('ADD $ROOT/link.git#:out /')).rejects.toThrow('is no folder in it');
    expect(await names((await run('ADD $ROOT/link.git /')).image)).toEqual(['file', 'out -> /etc']);
  });

  it("runs no filter that a repository names and this user's git has", async () => {
    repository('a.git', { '.gitattributes': 'file filter=own\n', file: 'of the repository\n' });
    const filters = "'filter.own.smudge'='sed s/repository/filter/'";
    vi.stubEnv('GIT_CONFIG_PARAMETERS', filters);
    const clone = join(folder, `clone-${count++}`);
    // whoever clones it by hand gets what the filter makes of the file
    execFileSync('git', ['clone', '-q', join(repositories, 'a.git'), clone], { env: process.env });
    expect(readFileSync(join(clone, 'file'), 'utf8')).toBe('of the filter\n');
    const tar = join(folder, `filtered-${count++}.tar`);
    await run('ADD $ROOT/a.git /', { output: { tar } });
    expect(execFileSync('tar', ['-xOf', tar, 'file'], { encoding: 'utf8' })).toBe('of the repository\n');
  });

  it.each<[string, BuildOptions, string]>([
    ['ADD $ROOT/a.git /', { network: 'none' }, 'the build has no network'],
    ['ADD $ROOT/none.git /', {}, 'not found'],
    ['ADD $ROOT/a.git#none /', {}, 'it does not contain ref "none"'],
    ['ADD $ROOT/a.git#:none /', {}, '"none" is no folder in it'],
    ['ADD --checksum=abcdef $ROOT/a.git /', {}, 'expected checksum to match abcdef'],
    ['ADD --checksum=sha256:0 $ROOT/a.git /', {}, 'no commit in hexadecimal digits'],
    ['ADD $ROOT/a.git#--upload-pack=x /', {}, 'no name of a branch'],
    ['ADD git@example.org:a/b.git /', {}, 'needs an ssh agent: the option ssh gives one'],
    ['ADD https://name:secret@example.org/a.git /', {}, 'a name or a password'],
    ['COPY $ROOT/a.git /', {}, "source can't be a URL for COPY"],
  ])('refuses %s with %j', async (line, options, message) => {
    repository('a.git', { file: 'x' });
    await expect(run(line, { ...options, tags: ['test/never'] })).rejects.toMatchObject({
      name: 'BuildError',
      line: 3,
      message: expect.stringContaining(message),
    });
    expect(await Image.list()).toEqual([]);
  });
});
