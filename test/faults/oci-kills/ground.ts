import { existsSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect } from 'vitest';
import { cgroupFolders, mounts, processes, readText } from '../../fixtures/host.js';
import { leftovers, snapshot } from '../../fixtures/leaks.js';
import { patience } from '../../fixtures/patience.js';
import { BUNDLE_GROUP, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

// What those share that kill commands of nacelle-oci: files that run beside each other, each with states, bundles and groups of its own, and what is left is
// looked for among these.
let before = snapshot();
beforeEach(() => {
  before = snapshot();
});
// as useLeakCheck() does, but for groups of containers of the library, which no command of nacelle-oci makes: those of owners that tests beside these kill
// stay until somebody reaps them
afterEach(async () => {
  const found = (await leftovers(before)).filter((line) => !/^cgroup .*\/nacelle\//.test(line));
  expect(found, `left behind by this test: ${found.join(', ')}`).toEqual([]);
});
export const folder = temporaryFolder();
export const { oci, states } = useRuntimes(folder);
export const LONG = { timeout: 7_200_000 };

/** How a container comes to where a command finds it, in commands before that one. */
const BEFORE = {
  nothing: [],
  created: [['create', '--bundle', 'BUNDLE', 'one']],
  running: [['run', '--detach', '--bundle', 'BUNDLE', 'one']],
  paused: [
    ['run', '--detach', '--bundle', 'BUNDLE', 'one'],
    ['pause', 'one'],
  ],
} as const;

/** A command, and in which state it finds its container. */
export type Killed = readonly [before: keyof typeof BEFORE, ...command: string[]];

/** Processes in the groups of this process's bundles, whoever began them. A zombie has ended, and waits for its reaper alone. */
export function inGroups(): string[] {
  const own = processes().filter(
    ({ pid, state }) => (state !== 'Z' && readText(`/proc/${pid}/cgroup`)?.includes(`/${BUNDLE_GROUP}/`)) ?? false,
  );
  return own.map(({ pid, command }) => `${pid} ${command}`);
}

/** What there is of containers on the machine, but for their processes. */
function left(): string[] {
  return [
    ...(existsSync(states) ? readdirSync(states) : []).map((id) => `state of ${id}`),
    ...cgroupFolders().filter((path) => path.includes(`/${BUNDLE_GROUP}/`)),
    ...mounts().flatMap(({ target }) => (target.startsWith(folder) ? [`mount on ${target}`] : [])),
  ];
}

/** A group is empty some moments before the kernel has taken down all of the processes that were killed in it. */
export async function nothingLeft(told: string): Promise<void> {
  expect(left(), told).toEqual([]);
  await expect.poll(inGroups, { message: told, timeout: 60_000 * patience }).toEqual([]);
}

export const put = (words: readonly string[], bundle: string): string[] => words.map((word) => (word === 'BUNDLE' ? bundle : word));

export async function prepare(before: keyof typeof BEFORE, bundle: string): Promise<void> {
  for (const words of BEFORE[before]) expect(await oci(...put(words, bundle)), words.join(' ')).toMatchObject({ code: 0, stderr: '' });
}
