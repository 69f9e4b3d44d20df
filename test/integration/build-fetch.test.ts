import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createRaw } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { BuildCache, type BuildOptions, type BuildResult, build, Image } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { layerListing } from '../fixtures/layer-listing.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['tar', 'gzip'] });

type Answer = (response: ServerResponse, request: IncomingMessage) => void;

describe('build: ADD of URLs', () => {
  const folder = temporaryFolder();
  const store = useNewStore(folder);
  let server: Server;
  let root = '';
  let asked: string[] = [];
  const answers = new Map<string, Answer>();

  beforeEach(async () => {
    asked = [];
    answers.clear();
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      const answer = answers.get(request.url ?? '');
      if (answer) answer(response, request);
      else response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    root = `http://127.0.0.1:${portOf(server)}`;
  });

  afterEach(async () => {
    // this waits for all connections: none was left open
    await new Promise((resolve) => server.close(resolve));
    expect(
      existsSync(join(store.root, 'tmp')) ? readdirSync(join(store.root, 'tmp')).filter((name) => !name.endsWith('.lease')) : [],
    ).toEqual([]);
  });

  const has = (path: string, content: string | Buffer, headers: Record<string, string> = {}): void =>
    void answers.set(path, (response) => response.writeHead(200, headers).end(content));

  const run = (lines: string, options: BuildOptions = {}): Promise<BuildResult> =>
    build({
      context: buildContext(folder, { local: 'local' }),
      dockerfile: { content: `FROM scratch\nARG ROOT\n${lines}` },
      buildArgs: { ROOT: root },
      pull: 'never',
      network: 'host',
      ...options,
    });

  const digest = (content: string, algorithm = 'sha256'): string => `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`;

  it('gives files their names, modes and times', async () => {
    const headers = { 'last-modified': 'Sun, 09 Sep 2001 01:46:40 GMT' };
    has('/d/a%20b.txt?x=1', 'one', headers);
    has('/', 'two');
    answers.set('/moved', (response) => response.writeHead(302, { location: '/d/a%20b.txt?x=1' }).end());
    const { image } = await run(
      'ADD $ROOT/d/a%20b.txt?x=1 local ${ROOT} /x/\nADD --chown=5:6 --chmod=755 $ROOT/moved /y\nADD $ROOT/moved /z/',
      { sourceDateEpoch: 2_000_000_000 },
    );
    const found = await Promise.all([0, 1, 2].map((index) => layerListing(image, index, folder)));
    expect(found.map((lines) => lines.filter((line) => line.startsWith('-') && !line.endsWith('local')))).toEqual([
      ['-rw------- 0/0               3 2001-09-09 01:46:40 x/a b.txt', '-rw------- 0/0               3 1970-01-01 00:00:00 x/__unnamed__'],
      ['-rwxr-xr-x 5/6               3 2001-09-09 01:46:40 y'],
      ['-rw------- 0/0               3 2001-09-09 01:46:40 z/moved'],
    ]);
  });

  it('compares checksums, and takes the layer of an earlier build for the same bytes', async () => {
    has('/a', 'one');
    const text = (sum: string): string => `ARG SUM=${sum}\nADD --checksum=$SUM $ROOT/a /`;
    await run(text(digest('one', 'sha512')));
    const { steps } = await run(text(digest('one')));
    expect(steps.at(-1)?.cached).toBe(true);
    has('/a', 'two');
    await expect(run(text(digest('one')))).rejects.toThrow(`digest mismatch ${digest('two')}`);
    expect((await run('ADD $ROOT/a /')).steps.at(-1)?.cached).toBe(false);
  });

  it("asks a server whether it has something else, and fetches what is needed and isn't here", async () => {
    let [content, tag] = ['one', '"1"'];
    const told: string[] = [];
    answers.set('/a', (response, { headers }) => {
      const isSame = headers['if-none-match'] === tag;
      told.push(`${headers['if-none-match'] ?? '-'} ${isSame ? 304 : 200}`);
      response.writeHead(isSame ? 304 : 200, { etag: tag }).end(isSame ? '' : content);
    });
    const state = async (lines: string, options?: BuildOptions): Promise<string> => {
      const { steps } = await run(lines, options);
      return `${steps.at(-1)?.cached} ${told.splice(0).join(', ')}`;
    };
    expect(await state('ADD $ROOT/a /')).toBe('false - 200');
    expect(await state('ADD $ROOT/a /')).toBe('true "1" 304');
    expect(await state('ADD $ROOT/a /elsewhere')).toBe('false "1" 304, - 200');
    expect(await state(`ADD --checksum=${digest('one')} $ROOT/a /`)).toBe('true "1" 304');
    expect(await state('ADD $ROOT/a /', { cache: false })).toBe('false - 200');
    [content, tag] = ['two', 'W/"2"'];
    await expect(run(`ADD --checksum=${digest('two', 'sha512')} $ROOT/a /`)).resolves.toBeDefined();
    expect(told.splice(0)).toEqual(['- 200']);
    expect(await state('ADD $ROOT/a /')).toBe('true W/"2" 304');
    // the tag lies: what is here is of another content than what is fetched then
    content = 'three';
    const { image } = await run('ADD $ROOT/a /other');
    expect(told.splice(0)).toEqual(['W/"2" 304', '- 200', '- 200']);
    expect((await layerListing(image, 0, folder)).map((line) => line.split(/ +/)[2])).toEqual(['5']);
    await BuildCache.prune();
    expect(await state('ADD $ROOT/a /')).toBe('false - 200');
  });

  it.each(['half', 'damaged'])('fetches anew when a note is %s', async (how) => {
    has('/a', 'one', { etag: '"1"' });
    await run('ADD $ROOT/a /');
    const notes = join(store.root, 'build-cache', 'urls');
    const [name = ''] = readdirSync(notes);
    const text = readFileSync(join(notes, name), 'utf8');
    writeFileSync(join(notes, name), how === 'half' ? text.slice(0, 20) : text.replace(/"size":\d+/, '"size":-1'));
    expect((await run('ADD $ROOT/a /')).steps.at(-1)?.cached).toBe(true);
    expect(readFileSync(join(notes, name), 'utf8')).toBe(text);
  });

  it('ends a fetch that takes longer than the build lets it', async () => {
    const drip = (response: ServerResponse): void => {
      if (!response.destroyed) response.write('.', () => setTimeout(() => drip(response), 20));
    };
    answers.set('/a', (response) => drip(response.writeHead(200)));
    const failing = run('ADD $ROOT/a /', { timeout: 300 });
    await expect(failing).rejects.toMatchObject({ name: 'BuildError', code: 'ERR_BUILD', line: 3, cause: { code: 'ERR_TIMEOUT' } });
  });

  it('unpacks an archive with --unpack=true alone', async () => {
    const path = buildContext(folder, { inside: 'x' });
    has('/a.tgz', execFileSync('tar', ['-czf', '-', '-C', path, 'inside']));
    // linked, so that nothing but the flag tells one from the other
    const lines = ['', '--unpack=true ', '--unpack=false '].map((flag) => `ADD --link ${flag}$ROOT/a.tgz /`);
    const { image } = await run(lines.join('\n'));
    const found = await Promise.all([0, 1, 2].map((index) => layerListing(image, index, folder)));
    expect(found.flat().map((line) => line.split(' ').at(-1))).toEqual(['a.tgz', 'inside', 'a.tgz']);
  });

  it('asks again after a failure that passes', async () => {
    let count = 0;
    answers.set('/a', (response) => {
      if (count++ === 0) response.writeHead(503).end();
      else if (count === 2) response.writeHead(200, { 'content-length': '10' }).write('half', () => response.destroy());
      else response.writeHead(200).end('whole');
    });
    const { image } = await run('ADD $ROOT/a /');
    expect((await layerListing(image, 0, folder)).map((line) => line.split(/ +/).slice(2, 3))).toEqual([['5']]);
    expect(asked).toEqual(['/a', '/a', '/a']);
  });

  it.each<[string, BuildOptions, string]>([
    ['ADD $ROOT/a /', { network: 'none' }, 'the build has no network'],
    ['ADD $ROOT/a /', { network: 'bridge' }, 'this machine or its links alone'],
    ['ADD http://localhost:1/a /', { network: 'pasta' }, 'this machine or its links alone'],
    ['ADD http://[::1]:1/a /', { network: 'bridge' }, 'this machine or its links alone'],
    ['ADD http://[::ffff:127.0.0.1]:1/a /', { network: 'bridge' }, 'this machine or its links alone'],
    ['ADD http://169.254.169.254/a /', { network: 'bridge' }, 'this machine or its links alone'],
    ['ADD $ROOT/none /', {}, 'the server answers 404'],
    ['ADD $ROOT/file /', {}, 'which is not fetched'],
    ['ADD $ROOT/loop /', {}, 'more than 5 redirects'],
    ['ADD $ROOT/%2e%2e%2f.. /x/', {}, 'no name of a file'],
    ['ADD $ROOT/.wh.bin /', {}, 'begin with .wh.'],
    ['ADD http://name:secret@example.org/ /', {}, 'a name or a password'],
    ['ADD http://example.org:none/ /', {}, 'it is no URL'],
    ['ADD --checksum=sha256:0 $ROOT/a /', {}, 'no sha256 or sha512 digest'],
    [`ADD --checksum=sha256:${'0'.repeat(64)} $ROOT/a $ROOT/b /x/`, {}, "checksum can't be specified for multiple"],
    [`ADD --checksum=sha256:${'0'.repeat(64)} local /`, {}, 'checksum requires HTTP(S) or Git sources'],
    ['COPY $ROOT/a /', {}, "source can't be a URL for COPY"],
  ])('refuses %s with %j', async (line, options, message) => {
    has('/.wh.bin', '');
    has('/..%2f..', 'x');
    answers.set('/%2e%2e%2f..', (response) => response.writeHead(200).end('x'));
    answers.set('/file', (response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end());
    answers.set('/loop', (response) => response.writeHead(307, { location: '/loop' }).end());
    const failing = run(line, { ...options, tags: ['test/never'] });
    await expect(failing).rejects.toMatchObject({ name: 'BuildError', line: 3, message: expect.stringContaining(message) });
    expect(await Image.list()).toEqual([]);
    if (options.network || message === 'no name of a file') expect(asked).toEqual([]);
  });

  it.each<[string, string | Buffer, object]>([
    ['has headers without end', `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(100_000)}`, { message: expect.stringMatching(/header/i) }],
    ['has a header without end', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1_000_000)}`, { message: expect.stringMatching(/header/i) }],
    ['speaks no HTTP', 'SSH-2.0-x\r\n', { message: expect.stringContaining('ADD of http') }],
    [
      'has chunks that are none',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\nx\r\n',
      { message: expect.stringMatching(/chunk/i) },
    ],
    ['announces more than may be', 'HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n', { cause: { code: 'ERR_IMAGE_LIMIT' } }],
    [
      'redirects to data',
      'HTTP/1.1 302 Found\r\nlocation: data:,x\r\ncontent-length: 0\r\n\r\n',
      { message: expect.stringContaining('a redirect leads to') },
    ],
    ['says nothing', '', { cause: { code: 'ERR_TIMEOUT' } }],
  ])('gives a server up that %s', async (_, bytes, error) => {
    const hostile = createRaw((socket) => {
      socket.on('error', () => undefined).resume();
      if (bytes !== '') socket.write(bytes);
      // a server that has said all ends, and one that has nothing to say stays
      if (bytes !== '') socket.end();
    });
    await new Promise<void>((resolve) => hostile.listen(0, '127.0.0.1', resolve));
    try {
      const failing = run(`ADD http://127.0.0.1:${portOf(hostile)}/a /`, bytes === '' ? { timeout: 300 } : {});
      await expect(failing).rejects.toMatchObject({ name: 'BuildError', line: 3, ...error });
    } finally {
      await new Promise((resolve) => hostile.close(resolve));
    }
  });

  it('takes a file of no bytes, of which no archive and no checksum is made', async () => {
    has('/empty', '');
    const { image } = await run('ADD --unpack=true $ROOT/empty /');
    expect((await layerListing(image, 0, folder)).map((line) => line.split(/ +/).slice(2, 3))).toEqual([['0']]);
    await expect(run(`ADD --checksum=${digest('x')} $ROOT/empty /`)).rejects.toThrow(`digest mismatch ${digest('')}`);
  });

  it.each(['before the answer', 'within the body'])('an abort ends a fetch: %s', async (when) => {
    const cancel = new AbortController();
    answers.set('/a', (response) => {
      if (when === 'within the body') response.writeHead(200).write('some');
      cancel.abort(new RangeError('enough'));
    });
    await expect(run('ADD $ROOT/a /', { cancelSignal: cancel.signal })).rejects.toThrow('enough');
  });
});

function portOf(server: Pick<Server, 'address'>): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return address.port;
}
