import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { intoUserPlace, throughUser, USER, userPlace } from '../fixtures/become-user.js';
import { entries, isAlive, pidOf, readText } from '../fixtures/host.js';
import { busyboxRootfs } from '../fixtures/images.js';
import { filesBelow } from '../fixtures/leaks.js';
import { inside, makeNet, type Net } from '../fixtures/nets.js';
import { givingIds } from '../fixtures/ordinary-user.js';
import { startRegistry, type TestRegistry } from '../fixtures/registry.js';
import { placed } from '../fixtures/registry-images.js';
import { requires } from '../fixtures/requires.js';
import { layoutOf, wholeTar } from '../fixtures/tiny-image.js';
import { Victim } from './victim.js';

const TOOLS = ['busybox', 'gcc', 'tar', 'id'];
const plain = requires({ root: true, tools: TOOLS });
const ofUser = requires({ root: true, tools: [...TOOLS, 'unshare', 'setpriv', 'mount', 'newuidmap', 'newgidmap'] });
const withRegistry = requires({ root: true, tools: [...TOOLS, 'docker-registry', 'skopeo'] });
const NET_TOOLS = [...TOOLS, 'ip', 'nft', 'nsenter', 'ss', 'unshare'];
const inNet = requires({ root: true, tools: NET_TOOLS, kernel: '5.12' });
const userInNet = requires({
  root: true,
  tools: [...new Set([...NET_TOOLS, 'setpriv', 'mount', 'newuidmap', 'newgidmap', 'sleep', 'env', 'chown', 'mkdir'])],
  kernel: '6.6',
});
const withPasta = requires({ root: true, tools: [...NET_TOOLS, 'pasta'] });
const withPlugins = requires({ root: true, tools: NET_TOOLS, cniPlugins: true });

/** Whose Node becomes an ordinary user. */
const isOfUser = (scenario: string): boolean => scenario.startsWith('user-');

/** Whose Node has a network namespace of its own. */
const isInNet = (scenario: string): boolean => /^(?:user-)?net-/.test(scenario);

/** What a test of a scenario is made with: it needs more of the machine where an ordinary user, a network or a registry is part of it. */
export function itOf(scenario: string): typeof plain.it {
  if (isOfUser(scenario)) return isInNet(scenario) ? userInNet.it : ofUser.it;
  if (scenario === 'net-pasta') return withPasta.it;
  if (scenario === 'net-cni') return withPlugins.it;
  if (isInNet(scenario)) return inNet.it;
  return scenario === 'pull' ? withRegistry.it : plain.it;
}

/** Starts victims for a file of tests, each with what its scenario needs. The store is that of NACELLE_ROOT. */
export class Victims {
  readonly #folder: string;
  /** Root sees it as a runtime folder beside its own. The folder within goes with the last shim. */
  readonly #user = `${process.env.NACELLE_RUNROOT}-user`;
  #registry: Promise<TestRegistry> | null = null;
  #image = '';
  #net: Net | null = null;
  #place: ChildProcess | null = null;

  /** @param folder on a disk */
  constructor(folder: string) {
    this.#folder = folder;
    chmodSync(folder, 0o755);
    afterAll(async () => {
      await endPlace(this.#place);
      rmSync(this.#user, { recursive: true, force: true });
      await (await this.#registry)?.close();
      await this.#net?.close();
    });
  }

  /** What stays until all tests of the file are over. */
  async prepare(scenario: string): Promise<void> {
    if (isInNet(scenario)) this.#net ??= await netWithLink();
    // pasta takes the link of the default route; for the others there is none, so that nothing is waited for that nobody answers
    if (this.#net !== null) await inside(this.#net, 'sh', '-c', scenario === 'net-pasta' ? ROUTED : UNROUTED);
    if (isInNet(scenario) && isOfUser(scenario)) await this.#placeOf(scenario);
    if (scenario !== 'pull' || this.#registry !== null) return;
    this.#registry = startRegistry(this.#folder);
    this.#image = `${(await this.#registry).host}/test/app:1`;
    placed(this.#image, layoutOf({ v0: [wholeTar(await busyboxRootfs())] }, this.#folder));
  }

  async start(scenario: string): Promise<Victim> {
    await this.prepare(scenario);
    const inNet = isInNet(scenario) ? ['nsenter', '-t', String(this.#net?.pid), '-n'] : [];
    if (!isOfUser(scenario)) return Victim.start(inNet, { NACELLE_TEST_IMAGE: this.#image });
    const [store, runtime] = [process.env.NACELLE_ROOT ?? '', this.#runtime];
    for (const path of [store, this.#user]) {
      mkdirSync(path, { recursive: true });
      chownSync(path, USER, USER);
    }
    // processes of one user share networks where they share a mount namespace
    const user = isInNet(scenario) ? intoUserPlace(await this.#placeOf(scenario)) : throughUser(this.#idsOf(scenario));
    return Victim.start([...inNet, ...user, 'env', `NACELLE_ROOT=${store}`, `NACELLE_RUNROOT=${runtime}`], {}, runtime);
  }

  get #runtime(): string {
    return join(this.#user, 'runtime');
  }

  #idsOf(scenario: string): string {
    return scenario === 'user-run' ? 'true' : givingIds(this.#folder, `${USER}:200000:65536`);
  }

  async #placeOf(scenario: string): Promise<number> {
    if (this.#place === null) {
      const [command = '', ...args] = userPlace(this.#idsOf(scenario));
      this.#place = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      if (this.#place.stdout) await once(this.#place.stdout, 'data');
    }
    return pidOf(this.#place);
  }

  /** What there is in the network namespace of a scenario that it could leave, a line a thing; nothing where it has none of its own. */
  async look(scenario: string): Promise<string[]> {
    if (this.#net === null || !isInNet(scenario)) return [];
    const here = await lookInto(this.#net);
    return isOfUser(scenario) ? [...here, ...(await lookAtUser(this.#runtime))] : here;
  }
}

const ROUTED = 'ip route replace default via 192.0.2.2';
const UNROUTED = 'ip route flush default';

/** With a link whose other end is nobody's. */
async function netWithLink(): Promise<Net> {
  const net = await makeNet();
  await inside(net, 'ip', 'link', 'set', 'lo', 'up');
  await inside(net, 'ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'w0');
  await inside(net, 'ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'up0');
  for (const link of ['up0', 'w0']) await inside(net, 'ip', 'link', 'set', link, 'up');
  return net;
}

async function endPlace(place: ChildProcess | null): Promise<void> {
  if (place === null) return;
  const ended = once(place, 'exit');
  place.kill('SIGKILL');
  await ended;
}

/** What there is in the network namespaces of an ordinary user's networks, and the files that tell of these. An offer is void without its process. */
async function lookAtUser(runtime: string): Promise<string[]> {
  const files = filesBelow(runtime).filter((path) => !path.includes('/offers/'));
  const lines = files.map((path) => `runtime file ${path}`);
  for (const id of entries(join(runtime, 'records'))) {
    const note = readText(join(runtime, 'records', id, 'networks'));
    if (note === null) continue;
    const holder: { pid: number; namespace: number } = JSON.parse(note);
    const there = await lookInto(holder).catch((error: unknown) => (isAlive(holder.pid) ? Promise.reject(error) : []));
    lines.push(...there.map((line) => `${holder.namespace} ${line}`));
  }
  return lines;
}

/** Links, routes, rules, sockets that listen, and whether packets are forwarded, as programs of others show them. */
async function lookInto(net: Pick<Net, 'pid'>): Promise<string[]> {
  const lines = async (label: string, ...command: string[]): Promise<string[]> =>
    (await inside(net, ...command)).split('\n').flatMap((line) => (line.trim() === '' ? [] : [`${label} ${line.trim()}`]));
  return [
    ...(await lines('link', 'ip', '-br', 'link')),
    ...(await lines('route', 'ip', 'route', 'show', 'table', 'all', 'type', 'unicast')),
    ...(await lines('table', 'nft', 'list', 'tables')),
    ...(await lines('port', 'ss', '-Hlntu')),
    ...(await lines('forwarding', 'cat', '/proc/sys/net/ipv4/ip_forward')),
  ];
}
