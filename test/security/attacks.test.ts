import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { removeTrees } from '../../lib/store/remove-tree.js';
import { useDetached } from '../fixtures/detached.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { type Needs, requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { type Attack, isTried } from './attack.js';
import { attacks } from './cases/index.js';
import { elsewhere } from './elsewhere.js';
import { said } from './inside.js';
import { linesOf, pageOf, type Seen } from './table.js';

// The seam between plans and the shim: some attacks succeed with a plan that lacks a step.
vi.mock('../../lib/native/encode.js', async (original) => {
  const { encodePlan, ...others } = await original<typeof import('../../lib/native/encode.js')>();
  const { altered } = await import('./altered-plans.js');
  const encodeAltered: typeof encodePlan = (plan, ...rest) => encodePlan(altered(plan), ...rest);
  return { ...others, encodePlan: encodeAltered };
});

useLeakCheck();
useDetached();
const stores = temporaryFolder();
useNewStore(stores);
// what belongs to subordinate ids only the library can remove
afterAll(async () => expect(await removeTrees(readdirSync(stores).map((name) => join(stores, name)))).toBeUndefined());
/** What most attacks need. */
const BASE: Needs = { tools: ['busybox', 'gcc', 'getfattr', 'grep', 'mount', 'setpriv', 'setsid', 'tar', 'umount', 'unshare'] };
const seen = new Map<Attack, Seen>();

// the shim of an ordinary user's containers stays once it is there
beforeAll(async () => void (await said(['true'])));

for (const [title, cases] of Object.entries(attacks)) {
  const tried = cases.filter(isTried);
  const { describe } = requires(BASE);
  if (tried.length === 0) continue;
  describe(title, () => {
    for (const attack of tried) {
      const { on, off, needs = {} } = attack;
      requires({ ...BASE, ...needs, tools: [...(BASE.tools ?? []), ...(needs.tools ?? [])] }).it(
        `${attack.attack} (${attack.source})`,
        async () => {
          const was: Seen = { on: await on.run(), off: 'why' in off ? null : await off.run() };
          seen.set(attack, was);
          // in the message too: not every reporter shows what was compared
          expect(was, `it says ${was.on}, and without the protection ${was.off}`).toEqual({
            on: on.says,
            off: 'why' in off ? null : off.says,
          });
        },
      );
    }
  });
}

afterAll(() => console.log(linesOf(seen).join('\n')));

it('docs/attacks.md tells of these attacks, and of no others', async () => {
  await expect(pageOf(attacks, elsewhere)).toMatchFileSnapshot('../../docs/attacks.md');
});

it.each(elsewhere)('$file has the test: $test', async ({ file, test }) => {
  expect(await readFile(new URL(`../integration/${file}`, import.meta.url), 'utf8')).toContain(test);
});
