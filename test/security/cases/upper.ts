import { once } from 'node:events';
import { basename } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { hasCode } from '../../../lib/errors.js';
import { Container, type ContainerOptions, NacelleError } from '../../../lib/index.js';
import type { Step } from '../../../lib/plan/steps.js';
import { rounds } from '../../fixtures/rounds.js';
import { busybox } from '../../fixtures/sandbox.js';
import { withPlans } from '../altered-plans.js';
import { attack, byHand, rootOnly } from '../attack.js';
import { beside, program } from '../inside.js';
import { emptyFolder, hostFile, SECRET, shell } from '../outside.js';

/** What is left of a program that has ended. */
async function after<T>(command: readonly string[], use: (container: Container) => Promise<T>, options: ContainerOptions = {}): Promise<T> {
  const made = await Container.create({ ...(await busybox()), command, ...options });
  await using container = made;
  await container.start();
  const { status, stderr } = await container.wait();
  if (status !== 'ok') throw new Error(`it ended with ${status}: ${stderr}`);
  return await use(container);
}

const run = (script: string) => ['sh', '-c', script];

async function changed(container: Container): Promise<string[]> {
  const paths: string[] = [];
  for await (const { path } of container.changes()) paths.push(path);
  return paths;
}

/** The program that the attacks by system calls are in: it is in the layer too. */
const withProgram = (): ContainerOptions => ({ copyIn: program('escape') });

/** `null` for a call that failed since the folder was replaced just then. */
const unlessReplaced = (error: unknown): null => {
  if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ESTALE', 'EAGAIN')) return null;
  throw error;
};

/** An error's code, for what is refused. */
const codeOf = (error: unknown): string => {
  if (error instanceof NacelleError) return `refused: ${error.code}`;
  throw error;
};

/** The reader of an upper takes the names of marks that programs may set themselves for those of overlayfs. */
const believesAll = (step: Step): Step =>
  step.op === 'changes' ? { ...step, options: step.options.map((option) => (option === 'marks=trusted' ? 'marks=user' : option)) } : step;

const HIDDEN = ['/escape', 'mark', '/hidden', 'user.overlay.whiteout'];
const seesHidden = (): Promise<string> =>
  after(HIDDEN, async (container) => ((await changed(container)).includes('/hidden') ? 'seen' : 'hidden'), withProgram());

const SWAP = 'echo ready; while :; do mkdir /box; echo own > /box/secret; rm -r /box; ln -s "$HOST" /box; rm /box; done 2>/dev/null';

export const upper = [
  attack({
    attack: 'swaps a folder for a link to the host, again and again, while its changes are listed and packed',
    source: 'CVE-2018-15664',
    protection: 'the upper is read by descriptor, and no link is followed',
    tries: () => {
      const { folder, path: secret } = hostFile(0o644, 'of-the-host');
      return beside({ command: run(SWAP), env: { HOST: folder } }, async (container) => {
        await once(container.stdout ?? process, 'data');
        let read = 0;
        for (let round = 0; round < rounds(20, 1000); round++) {
          const tar = await container
            .layer()
            .then((stream) => buffer(stream))
            .catch(unlessReplaced);
          const paths = await changed(container).catch(unlessReplaced);
          if (tar?.includes(SECRET) || paths?.includes(`/box/${basename(secret)}`)) return SECRET;
          if (tar !== null && paths !== null) read++;
        }
        return read > 0 ? 'nothing of the host' : 'nothing';
      });
    },
    on: [{}, 'nothing of the host'],
    off: byHand('cat(1) by path, at the worst moment', SECRET, () =>
      shell('ln -s "$2" "$1/box"; cat "$1/box/secret"', emptyFolder(), hostFile().folder),
    ),
  }),
  attack({
    attack: 'sets an attribute by which its own file is none, for whoever lists its changes',
    source: 'user.overlay.whiteout',
    protection: 'only the attributes are marks that this overlay has, which no program may set',
    as: rootOnly('an overlay of a user’s lets no program set its marks'),
    needs: { kernel: '6.6' },
    tries: seesHidden,
    on: [{}, 'seen'],
    off: byHand('a reader that takes both for marks', 'hidden', () => withPlans(believesAll, seesHidden)),
  }),
  attack({
    attack: 'has a FIFO where its layer is packed',
    source: 'CVE-2024-9676',
    protection: 'only files, folders and links are opened',
    tries: () =>
      after(run('mkfifo /a-fifo'), async (container) =>
        (await buffer(await container.layer())).includes('a-fifo') ? 'packed' : 'missing',
      ),
    on: [{}, 'packed'],
    off: byHand('cat(1) of the FIFO', 'waits', () => shell('cd "$1"; mkfifo pipe; timeout 0.3 cat pipe || echo waits', emptyFolder())),
  }),
  attack({
    attack: 'nests folders of long names, for which its changes’ reader would need memory by the square of their number',
    source: 'denial of service',
    protection: 'nothing is read deeper than a path may be long',
    tries: () => after(['/escape', 'nest', '200'], (container) => changed(container).then(() => 'read', codeOf), withProgram()),
    on: [{}, 'refused: ENAMETOOLONG'],
    off: { why: 'it takes the machine’s memory: 1.5 GB for 2,000 such folders in a container of 128 MB, before there was that limit' },
  }),
  attack({
    attack: 'has a file of a terabyte of nothing in its layer',
    source: 'sparse files',
    protection: 'holes are packed as holes',
    tries: () =>
      after(run('truncate -s 1024G /big'), async (container) => {
        let size = 0;
        for await (const piece of await container.layer()) {
          size += piece.length;
          if (size > 64 << 20) return 'large';
        }
        return 'small';
      }),
    on: [{}, 'small'],
    off: byHand('tar(1)', 'large', async () =>
      shell(
        'cd "$1"; truncate -s 1T big; [ "$(tar -c big 2>/dev/null | head -c 67108865 | wc -c)" -gt 67108864 ] && echo large',
        emptyFolder(),
      ),
    ),
  }),
  attack({
    attack: 'names a file so that a list of lines tells of another one',
    source: 'newlines in names',
    protection: 'names are lengths and bytes, not lines',
    tries: () =>
      after(run('mkdir -p "/x\n/etc"; touch "/x\n/etc/shadow"'), async (container) =>
        (await changed(container)).includes('/etc/shadow') ? 'another' : 'its own',
      ),
    on: [{}, 'its own'],
    off: byHand('a list of lines', 'another', async () => {
      const list = 'mkdir -p "$1/x$2/etc"; touch "$1/x$2/etc/shadow"; cd "$1"; printf "%s\\n" x*/*/*';
      return (await shell(list, emptyFolder(), '\n')).split('\n').includes('/etc/shadow') ? 'another' : 'its own';
    }),
  }),
];
