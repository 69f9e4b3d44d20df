// Two folders shown as one: a lower one that stays as it is, and an upper one that takes the changes.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OverlayFs } from 'nacelle';

const folder = mkdtempSync(join(tmpdir(), 'overlay-example-'));
const [lower, upper, work, merged] = ['lower', 'upper', 'work', 'merged'].map((name) => {
  mkdirSync(join(folder, name));
  return join(folder, name);
}) as [string, string, string, string];
for (const name of ['apple', 'banana', 'cherry']) writeFileSync(join(lower, name), `${name}\n`);

{
  await using overlay = await OverlayFs.mount({ lower: [lower], upper, work, target: merged });
  console.log('merged:', readdirSync(merged));

  rmSync(join(merged, 'banana'));
  writeFileSync(join(merged, 'cherry'), 'a cherry, changed\n');
  writeFileSync(join(merged, 'date'), 'date\n');
  console.log('merged, changed:', readdirSync(merged));

  for await (const { kind, type, path } of overlay.changes()) console.log(`  ${kind} ${type} ${path}`);
  let bytes = 0;
  for await (const chunk of await overlay.layer()) bytes += chunk.length;
  console.log(`as a layer: ${bytes} bytes of tar`);
}

// Unmounted. What was deleted is a whiteout in the upper: a character device 0:0.
console.log('lower:', readdirSync(lower), readFileSync(join(lower, 'cherry'), 'utf8').trimEnd());
for (const name of readdirSync(upper)) {
  const status = statSync(join(upper, name));
  const what = status.isCharacterDevice() && status.rdev === 0 ? 'a whiteout' : readFileSync(join(upper, name), 'utf8').trimEnd();
  console.log(`upper/${name}: ${what}`);
}
rmSync(folder, { recursive: true });
