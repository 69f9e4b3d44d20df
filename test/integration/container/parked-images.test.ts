import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished } from 'vitest';
import { removeEntries } from '../../../lib/image/store/index-file.js';
import { Container, type Image, type RunOptions } from '../../../lib/index.js';
import { loadBusybox } from '../../fixtures/busybox-image.js';
import { pidOf } from '../../fixtures/host.js';
import { busyboxRootfs } from '../../fixtures/images.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { forgetMadeAhead } from '../../fixtures/made-ahead.js';
import { parked } from '../../fixtures/prewarmed.js';
import { requires } from '../../fixtures/requires.js';
import { useNewStore } from '../../fixtures/store.js';
import { temporaryFolder } from '../../fixtures/temporary.js';
import { until } from '../../fixtures/until.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar'] });

const NAME = 'parked:1';

const folder = temporaryFolder();
const store = useNewStore(folder);

beforeEach(forgetMadeAhead);

/** busybox, with a file that says which of several images this is. */
async function marked(mark: string): Promise<Image> {
  writeFileSync(join(folder, 'mark'), mark);
  const image = await loadBusybox('-C', folder, './mark', '-C', await busyboxRootfs());
  await image.tag(NAME);
  return image;
}

const layers = (): string[] => {
  const path = join(store.root, 'layers/sha256');
  return existsSync(path) ? readdirSync(path) : [];
};

/** Runs some of a shape. @returns the process of the container that is parked then */
async function repeated(given: RunOptions): Promise<number> {
  onTestFinished(forgetMadeAhead);
  return until('one waits', async () => {
    await Container.run(given);
    const [pid] = parked();
    return pid === undefined ? null : pidOf({ pid });
  });
}

const cat = (image: string | Image): RunOptions => ({ image, command: ['cat', '/mark'] });

describe('a container that is parked ahead on an image of the store', () => {
  it.each<[string, (image: Image) => string | Image]>([
    ['its name', () => NAME],
    ['its digest', ({ digest }) => digest],
    ['what was opened', (image) => image],
  ])('is the next of its shape, by %s', async (_, of) => {
    const given = cat(of(await marked('one')));
    const pid = await repeated(given);
    const run = Container.run(given);
    expect(await run.pid).toBe(pid);
    expect(await run).toMatchObject({ status: 'ok', stdout: 'one' });
  });

  it('is not used when the name is another image’s', async () => {
    await marked('one');
    const pid = await repeated(cat(NAME));
    await marked('other');
    const run = Container.run(cat(NAME));
    expect(await run.pid).not.toBe(pid);
    expect(await run).toMatchObject({ stdout: 'other' });
  });

  it('is not used when the image says something else', async () => {
    const image = await marked('one');
    const given: RunOptions = { image, command: ['sh', '-c', 'id -u'] };
    await repeated(given);
    Object.assign(image.config, { user: '1234' });
    expect(await Container.run(given)).toMatchObject({ stdout: '1234\n' });
  });

  it('is not used when the name is gone', async () => {
    await marked('one');
    const given: RunOptions = { ...cat(NAME), pull: 'never' };
    await repeated(given);
    // as another process does, which knows of none that wait here
    await removeEntries(() => true);
    await expect(Container.run(given)).rejects.toMatchObject({ code: 'ERR_NO_IMAGE' });
  });

  it('goes when its image is removed, with all layers', async () => {
    const image = await marked('one');
    await repeated(cat(NAME));
    expect(layers()).toHaveLength(1);
    await image.remove();
    expect([layers(), parked()]).toEqual([[], []]);
  });
});
