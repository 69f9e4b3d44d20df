import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, createReadStream, createWriteStream, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { create } from 'tar';
import { expect } from 'vitest';
import { Container, type RunOptions } from '../../../lib/index.js';
import { readText } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { runNode, startNode } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { busybox, output, sh } from '../../fixtures/sandbox.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox'] });
const asRoot = requires({ root: true, tools: ['busybox'] });
const folder = temporaryFolder();

describe('input', () => {
  it('text, bytes and a stream', async () => {
    expect(await output('cat', { input: 'größe' })).toBe('größe');
    expect(await output('od -An -tx1', { input: Uint8Array.from([0, 255]) })).toBe(' 00 ff');
    expect(await output('cat', { input: Readable.from(['one ', 'two ', 'three']) })).toBe('one two three');
    expect(await output('cat; echo end', { input: '' })).toBe('end');
  });

  it('bytes come back as they went in', async () => {
    const bytes = randomBytes(3 << 20);
    const result = await Container.run({ ...(await busybox()), command: ['cat'], input: bytes, encoding: 'buffer' });
    expect(Buffer.compare(Buffer.from(result.stdout), bytes)).toBe(0);
    expect(result.stderr).toHaveLength(0);
  });

  it('stdin is ended after it: half-close', async () => {
    expect(await output('cat; echo after the end', { input: 'in ' })).toBe('in after the end');
  });

  it('that was not taken when the program ended is told as not written', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['head', '-c', '1'], stdin: 'pipe' });
    await container.start();
    const told = new Promise((resolve) => container.stdin?.write('x'.repeat(1_000_000), resolve));
    container.stdin?.on('error', () => undefined);
    await container.wait();
    expect(await told).toBeInstanceOf(Error);
  });

  it('that nobody reads is no error', async () => {
    const input = Buffer.alloc(8 << 20);
    expect(await sh('exit 0', { input })).toMatchObject({ status: 'ok' });
    expect(await sh('head -c 1 | wc -c', { input })).toMatchObject({ status: 'ok', stdout: '1\n' });
    expect(await sh('exec <&-; sleep 0.1; echo done', { input: Readable.from([input]) })).toMatchObject({ status: 'ok', stdout: 'done\n' });
  });

  it('a stream that fails ends the run, and leaves nothing', async () => {
    const input = new Readable({
      read() {
        this.destroy(new Error('the source broke'));
      },
    });
    const outcome = await sh('cat; echo end', { input }).then(
      (result) => result.stdout,
      (error: unknown) => String(error),
    );
    expect(outcome).toMatch(/the source broke|end/);
  });

  it('a stream that ended badly before the program runs: its error is told, else the input is at its end', async () => {
    const command = ['cat'];
    await expect(Container.run({ ...(await busybox()), command, input: createReadStream(join(folder, 'missing')) })).rejects.toThrow(
      /ENOENT/,
    );
    await expect(Container.run({ ...(await busybox()), command, stdin: createReadStream(join(folder, 'missing')) })).rejects.toThrow(
      /ENOENT|could not be opened/,
    );
    const gone = new PassThrough();
    await using ended = await Container.create({ ...(await busybox()), command, stdin: gone });
    gone.destroy();
    await once(gone, 'close');
    await ended.start();
    expect(await ended.wait()).toMatchObject({ status: 'ok', stdout: '' });
    const broken = new PassThrough();
    await using container = await Container.create({ ...(await busybox()), command, stdin: broken });
    broken.destroy(new Error('the source broke'));
    await expect(container.start().then(() => container.wait())).rejects.toThrow('the source broke');
  });

  it('a stream of another make is a stream, too, also when it fails', async () => {
    writeFileSync(join(folder, 'packed'), 'in the archive');
    // minipass has a Readable's methods, and a class of its own
    const pack = (name: string) => create({ cwd: folder, portable: true }, [name]) as unknown as Readable;
    expect(await output('tar -xO', { input: pack('packed') })).toBe('in the archive');
    await expect(Container.run({ ...(await busybox()), command: ['cat'], input: pack('missing') })).rejects.toThrow(/ENOENT/);
  });

  it('that fails ends a program that ignores the signal, too', async () => {
    const input = new PassThrough();
    await using container = await Container.create({
      ...(await busybox()),
      command: ['sh', '-c', "trap '' TERM; echo ready; while :; do sleep 0.01; done"],
      killSignal: 'SIGTERM',
      stdin: input,
    });
    await container.start();
    for await (const said of container.stdout ?? []) if (String(said).includes('ready')) break;
    input.destroy(new Error('the source broke'));
    await expect(container.wait()).rejects.toThrow('the source broke');
  });

  it("without it stdin is 'ignore': at its end", async () => {
    expect(await output('cat; readlink /proc/self/fd/0')).toMatch(/null$/);
  });
});

describe('output', () => {
  it('a letter that arrives in two pieces stays whole', async () => {
    expect(await output("printf 'a\\303'; sleep 0.1; printf '\\244b'")).toBe('aäb');
  });

  it('stdout and stderr are apart', async () => {
    expect(await sh('echo out; echo err >&2')).toMatchObject({ stdout: 'out\n', stderr: 'err\n' });
  });

  asRoot.it('a grandchild that holds stdout open does not hang the promise', async () => {
    expect(await sh('(sleep 1000 &); echo done')).toMatchObject({ status: 'ok', stdout: 'done\n' });
    expect(await sh('(sleep 1000 &); echo done', { init: true })).toMatchObject({ status: 'ok', stdout: 'done\n' });
    expect(await sh('(sleep 1000 &); echo done', { namespaces: { pid: 'host' } })).toMatchObject({ status: 'ok', stdout: 'done\n' });
  });

  it('makes the program wait for its reader', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['yes'], buffer: false });
    const stdout = container.stdout ?? Readable.from([]);
    await container.start();
    await once(stdout, 'readable');
    const written = () => Number(/^wchar: (\d+)/m.exec(readText(`/proc/${container.pid}/io`) ?? '')?.[1]);
    let before = -1;
    const total = await until('it has stopped writing', async () => {
      const now = written();
      const same = now > 0 && now === before;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return same && now;
    });
    expect(total).toBeLessThan(4 << 20);
    expect(stdout.read()).not.toBeNull();
    // what was read may come from a buffer of Node's alone, which is not read into anew before there is room for more
    await until('it goes on', () => stdout.read() !== null && written() > total);
  });
});

describe('streams of the caller', () => {
  it('may serve one program after the other: nothing of a run stays on them', async () => {
    const log = createWriteStream(join(folder, 'log'));
    await once(log, 'open');
    const before = log.eventNames().map((name) => [name, log.listenerCount(name)]);
    for (let run = 0; run < 3; run++) await sh('echo run', { stdout: log });
    expect(log.eventNames().map((name) => [name, log.listenerCount(name)])).toEqual(before);
    expect(readFileSync(join(folder, 'log'), 'utf8')).toBe('run\nrun\nrun\n');
    log.end();
    await once(log, 'close');
  });

  it("Node's own serve many programs, and nothing of a run stays on them", async () => {
    const names = ['drain', 'close', 'error'];
    const count = () => names.map((name) => process.stderr.listenerCount(name));
    const before = count();
    for (let run = 0; run < 3; run++) {
      expect(await sh('true', { stderr: ['pipe', 'inherit'] })).toMatchObject({ status: 'ok' });
    }
    expect(count()).toEqual(before);
    const source = new PassThrough();
    await sh('true', { stdin: source });
    expect([source.listenerCount('close'), source.listenerCount('error')]).toEqual([0, 1]);
  });

  it('that fails when nothing can run any more is heard by nobody', async () => {
    const missing = join(folder, 'missing');
    const options = { rootfs: missing, command: ['cat'] };
    await expect(Container.run({ ...options, input: createReadStream(missing) })).rejects.toThrow(/^look up/);
    await expect(Container.run({ ...options, stdin: createReadStream(missing) })).rejects.toThrow(/^look up/);
    for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve));
  });

  it('end with a container that never ran', async () => {
    const options = { command: ['true'], stdout: ['pipe' as const, { file: join(folder, 'never') }] };
    await using container = await Container.create({ ...(await busybox()), ...options });
    const reading = text(container.stdout ?? Readable.from([]));
    await container.stop();
    expect(await reading).toBe('');
  });
});

describe('output that the caller reads', () => {
  it('while the program runs, and leaves before its end, does not hold it up', async () => {
    const command = ['sh', '-c', 'yes | head -c 1000000; echo ready >&2; exit 3'];
    await using container = await Container.create({ ...(await busybox()), command });
    await container.start();
    for await (const _ of container.stdout ?? []) break;
    const result = await container.wait();
    expect([result.exitCode, result.stdout.length, result.stderr]).toEqual([3, 1_000_000, 'ready\n']);
  });

  it('while the program runs ends with the container, whoever else holds the pipe', async () => {
    await using container = await Container.create({ ...(await busybox()), command: ['sleep', '1000'] });
    await container.start();
    const outsider = openSync(`/proc/${container.pid}/fd/1`, 'w');
    const { stdout } = container;
    if (!stdout) throw new Error('it has no stdout');
    const ended = once(stdout, 'close');
    stdout.resume();
    await container.remove({ force: true });
    await ended;
    closeSync(outsider);
  });

  it('and that goes to a file as well, is all there after the end', async () => {
    const file = join(folder, 'both');
    await using container = await Container.create({
      ...(await busybox()),
      command: ['sh', '-c', 'yes | head -c 20000'],
      stdout: ['pipe', { file }],
    });
    const { stdout } = container;
    await container.start();
    await container.wait();
    // as slowly as a reader may be
    for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve));
    expect(await text(stdout ?? Readable.from([]))).toBe('y\n'.repeat(10_000));
    expect(readFileSync(file, 'utf8')).toHaveLength(20_000);
  });
});

describe('stdio', () => {
  const run = async (options: RunOptions) => sh('cat; echo out; echo err >&2', options);

  it('files, truncated or appended to', async () => {
    const file = join(folder, 'out');
    writeFileSync(file, 'before\n');
    await run({ stdout: { file, append: true } });
    expect(readFileSync(file, 'utf8')).toBe('before\nout\n');
    const result = await run({ stdout: { file }, stderr: 'ignore' });
    expect(readFileSync(file, 'utf8')).toBe('out\n');
    expect(result).toMatchObject({ stdout: '', stderr: '' });
  });

  it('a file as stdin', async () => {
    const file = join(folder, 'in');
    writeFileSync(file, 'from a file\n');
    expect((await run({ stdin: { file } })).stdout).toBe('from a file\nout\n');
  });

  it("the caller's descriptors, which stay open", async () => {
    const file = join(folder, 'descriptor');
    const fd = openSync(file, 'w+');
    try {
      await run({ stdout: fd, stderr: fd });
      await run({ stdout: fd });
      expect(readFileSync(file, 'utf8')).toBe('out\nerr\nout\n');
    } finally {
      closeSync(fd);
    }
  });

  it('streams', async () => {
    const sink = new PassThrough();
    const collected = text(sink);
    const result = await run({ stdin: Readable.from(['piped ']), stdout: sink });
    sink.end();
    expect(await collected).toBe('piped out\n');
    expect(result).toMatchObject({ stdout: '', stderr: 'err\n' });
  });

  it('a list: each gets it all', async () => {
    const file = join(folder, 'list');
    const sink = new PassThrough();
    const collected = text(sink);
    const result = await run({ stdout: ['pipe', { file }, sink] });
    sink.end();
    expect([result.stdout, readFileSync(file, 'utf8'), await collected]).toEqual(['out\n', 'out\n', 'out\n']);
  });

  it('inherit', async () => {
    expect(await startNode('inherit').ended).toMatchObject({ code: 0, stdout: 'inherited\nresult: ""\n', stderr: 'inherited error\n' });
  });

  it('pipes to the caller, both ways', async () => {
    await using container = await Container.create({
      ...(await busybox()),
      command: ['sh', '-c', 'while read line; do echo "got $line"; done'],
      stdin: 'pipe',
    });
    const { stdin, stdout } = container;
    if (!stdin || !stdout) throw new Error('no pipes');
    await container.start();
    const lines = stdout.setEncoding('utf8')[Symbol.asyncIterator]();
    for (const word of ['one', 'two']) {
      stdin.write(`${word}\n`);
      expect((await lines.next()).value).toBe(`got ${word}\n`);
    }
    stdin.end();
    expect(await container.wait()).toMatchObject({ status: 'ok', stdout: 'got one\ngot two\n' });
  });
});

describe('volume', () => {
  it('1 GiB in and 1 GiB out, with flat memory', async () => {
    const { received, grownBytes } = await runNode<{ received: number; grownBytes: number }>('gibibyte');
    expect(received).toBe(2 ** 30);
    // a sanitizer keeps what was freed for a while
    expect(grownBytes).toBeLessThan(process.env.NACELLE_SANITIZE === '1' ? 2 ** 30 : 256 << 20);
  });
});
