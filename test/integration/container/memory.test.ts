import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { Container, Namespace, type RunOptions } from '../../../lib/index.js';
import { compile } from '../../fixtures/compile.js';
import { statusField } from '../../fixtures/host.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { isRoot, requires } from '../../fixtures/requires.js';
import { busybox } from '../../fixtures/sandbox.js';
import { findTool } from '../../fixtures/tools.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, groups: true, tools: ['busybox', 'gcc'] });
const program = findTool('gcc') ? compile('attack') : '';

const ENVIRONMENT = 'environment-of-another-container';
const FILE = 'file-of-another-container';

/** A container that waits for its start, and whose plan therefore lies in the shim. */
async function other(): Promise<Container> {
  const copyIn = { '/secret': { content: FILE } };
  return Container.create({ ...(await busybox()), command: ['true'], env: { SECRET: ENVIRONMENT }, copyIn });
}

/** Looks for texts in the memory of a process of its pid namespace, with the capability to do so. */
async function search(pid: number, texts: readonly string[], options: RunOptions): Promise<string> {
  const disguised = texts.map((text) => Buffer.from(text.split('').map((letter) => letter.charCodeAt(0) + 1)).toString('latin1'));
  const result = await Container.run({
    ...(await busybox()),
    copyIn: { '/attack': { source: program } },
    command: ['/attack', 'search', String(pid), ...disguised],
    capAdd: ['SYS_PTRACE'],
    seccomp: 'unconfined',
    ...options,
  });
  return result.stdout + result.stderr;
}

describe('who may read its process 1 finds nothing of other containers there', () => {
  const texts = [ENVIRONMENT, FILE, 'nacelle-init'];
  const nothing = `${ENVIRONMENT} not there\n${FILE} not there\nnacelle-init found\n`;

  it('our init', async () => {
    await using _other = await other();
    expect(await search(1, texts, { init: true })).toBe(nothing);
  });

  it('our init, of another user', async () => {
    await using _other = await other();
    expect(await search(1, texts, { init: true, user: '1000:1000' })).toMatch(/Permission denied/);
  });

  it('what holds a pid namespace', async () => {
    await using _other = await other();
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    expect(await search(1, texts, { namespaces: { pid } })).toBe(nothing);
  });
});

describe('who shares a pid namespace with a container that waits for its start', () => {
  it('finds its plan there, and nothing of others', async () => {
    const { pid } = await Namespace.create(['pid']);
    await using _pid = pid;
    const own = 'environment-of-the-one-that-waits';
    await using _before = await other();
    await using waiting = await Container.create({ ...(await busybox()), command: ['true'], env: { OWN: own }, namespaces: { pid } });
    await using _after = await other();
    const inside = statusField('NSpid', readFileSync(`/proc/${waiting.pid}/status`, 'utf8'))
      .split(/\s+/)
      .at(-1);
    // the memory of an ordinary user's process that waits is of the user namespace above, over which nobody inside has rights
    const seen = isRoot ? `${ENVIRONMENT} not there\n${FILE} not there\n${own} found\n` : `/proc/${inside}/mem: Permission denied\n`;
    expect(await search(Number(inside), [ENVIRONMENT, FILE, own], { namespaces: { pid } })).toBe(seen);
  });
});
