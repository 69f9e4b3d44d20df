// Runs docker, podman and buildah with runc and with this runtime, and compares what they print. All are in a root folder of their own, in namespaces
// without a network. As root (CONTRIBUTING.md says how the folder is made):
//   NACELLE_ENGINES_ROOT=/var/cache/engines npm run engines:runtime [-- WORDS-OF-A-NAME]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, cpSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scriptParts } from '../../fixtures/script-parts.js';
import { busyboxTar } from '../busybox-tar.js';
import { writeContainersConf } from '../containers-conf.js';
import { enginesRoot } from '../engines-root.js';
import { BUILDAH_CASES } from './buildah-cases.js';
import { DOCKER_CASES } from './docker-cases.js';
import { type EngineCases, guestScript, RUNTIMES, TOO_LONG } from './guest-script.js';
import { PODMAN_CASES } from './podman-cases.js';

const root = enginesRoot('usr/sbin/dockerd', 'usr/bin/docker', 'usr/bin/podman', 'usr/bin/buildah', 'usr/sbin/runc', 'bin/busybox');
const words = process.argv.slice(2);
const all: EngineCases[] = (
  [
    { engine: 'docker', cases: DOCKER_CASES },
    { engine: 'podman', cases: PODMAN_CASES },
    { engine: 'buildah', cases: BUILDAH_CASES },
  ] as const
).map(({ engine, cases }) => ({ engine, cases: cases.filter(([name]) => words.every((word) => `${engine}: ${name}`.includes(word))) }));

const work = join(root, 'work');
rmSync(work, { recursive: true, force: true });
try {
  const printed = await outputs();
  let wrong = 0;
  let count = 0;
  for (const { engine, cases } of all) {
    for (const [name] of cases) {
      const [runc = '', ours = ''] = Object.keys(RUNTIMES).map((runtime) => anonymous(printed[`${engine}, ${runtime}: ${name}`] ?? ''));
      const isSame = runc === ours && runc !== '' && !runc.includes(TOO_LONG);
      count++;
      if (!isSame) wrong++;
      console.log(`${engine}: ${name}: ${isSame ? 'the same' : 'DIFFERS'}`);
      if (!isSame) console.log(indented(`with runc:\n${runc}with this runtime:\n${ours}`));
      else if (process.env.NACELLE_ENGINES_SHOW) console.log(indented(runc));
    }
  }
  console.log(`${count - wrong} of ${count} the same`);
  process.exitCode = wrong === 0 && count > 0 ? 0 : 1;
} finally {
  for (const path of ['work', 'opt/nacelle', 'var/lib/docker']) rmSync(join(root, path), { recursive: true, force: true });
}

/** What the cases print, by engine, runtime and name. */
async function outputs(): Promise<Record<string, string>> {
  mkdirSync(work);
  writeFileSync(join(work, 'base.tar'), busyboxTar(join(root, 'bin/busybox'), join(work, 'base')));
  writeFileSync(join(work, 'script'), guestScript(all));
  const own = join(root, 'opt/nacelle');
  rmSync(own, { recursive: true, force: true });
  for (const path of ['package.json', 'binding.gyp', 'dist', 'build/Release/nacelle.node', 'build/Release/nacelle-shim'])
    cpSync(path, join(own, path), { recursive: true });
  cpSync(process.execPath, join(root, 'usr/local/bin/node'));
  writeContainersConf(root);
  // a file, so that one can look on meanwhile
  const file = join(work, 'printed');
  const output = openSync(file, 'w');
  // the input stays open as long as this process lives: with that it ends
  const guest = spawn(join(import.meta.dirname, '../in-root'), [root, 'bash', '/work/script'], { stdio: ['pipe', output, output] });
  closeSync(output);
  const [status] = await once(guest, 'exit');
  const text = readFileSync(file, 'utf8');
  if (status !== 0) throw new Error(`the script ended with ${status}: ${text}`);
  return scriptParts(text);
}

/** Without ids, which are others in each call. */
function anonymous(text: string): string {
  return text.replaceAll(/\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b/g, 'ID');
}

function indented(text: string): string {
  return text.trimEnd().replaceAll(/^/gm, '    ');
}
