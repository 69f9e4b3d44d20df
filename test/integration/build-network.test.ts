import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { ownRuntimeFolder, throughUser } from '../fixtures/become-user.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { besideNeighbour, makeNeighbour, NEIGHBOUR_TOOLS, useNeighbours } from '../fixtures/neighbour.js';
import { runNode } from '../fixtures/node.js';
import { requires } from '../fixtures/requires.js';
import { temporaryFolder } from '../fixtures/temporary.js';

useLeakCheck();
useNeighbours();
const USER_TOOLS = ['setpriv', 'env', 'chown', 'mkdir', 'mknod'];
const { describe, it } = requires({ root: true, tools: [...NEIGHBOUR_TOOLS, ...USER_TOOLS, 'pasta', 'getent', 'openssl', 'gzip'] });
const temporary = temporaryFolder();

/** A key and a certificate for here.example, which is its own authority. */
function certificate(): string {
  const folder = join(temporary, `certificate-${Math.random()}`);
  mkdirSync(folder);
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=here.example', '-addext', 'subjectAltName=DNS:here.example', '-days', '2'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', cert, ...subject],
    {
      stdio: 'ignore',
    },
  );
  for (const path of [key, cert]) chmodSync(path, 0o644);
  return folder;
}

interface Told {
  readonly told: Record<string, string>;
  readonly heard: readonly string[];
  readonly containers: number;
}

async function toldBy(network: 'bridge' | 'pasta' | 'host', ...urls: string[]): Promise<Told> {
  const folder = join(temporary, `${network}-${Math.random()}`);
  mkdirSync(folder);
  const keys = certificate();
  for (const path of [temporary, folder, keys]) chmodSync(path, 0o755);
  const tun = `mknod -m 666 ${folder}/tun c 10 200; mount --bind ${folder}/tun /dev/net/tun`;
  const script = [besideNeighbour(await makeNeighbour(), { folder, routed: true }), ...(network === 'pasta' ? [tun] : [])].join('\n');
  const asRoot = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', `${script}\nexec "$@"`, 'sh'];
  const through =
    network === 'pasta'
      ? [...throughUser(script), 'env', ownRuntimeFolder()]
      : [...asRoot, 'env', `NACELLE_RUNROOT=${join(folder, 'run')}`, `NACELLE_ROOT=${join(folder, 'store')}`];
  const env = { NODE_EXTRA_CA_CERTS: join(keys, 'cert.pem'), http_proxy: '', https_proxy: '', HTTP_PROXY: '', HTTPS_PROXY: '' };
  return runNode('build-network', [network, keys, ...urls], { through: ['unshare', '--net', ...through], env });
}

describe('build: ADD of URLs with a network', () => {
  it('of a bridge comes from an address there, and asks for names there', async () => {
    const { told, heard, containers } = await toldBy('bridge', 'name', 'secure', 'otherName', 'redirect', 'unknown', 'neighbour');
    expect(told).toEqual({
      name: 'added',
      secure: 'added',
      otherName: expect.stringMatching(/BuildError.*192\.0\.2\.2.*altnames|IP/s),
      redirect: expect.stringContaining(
        "169.254.169.254 counts on this machine or its links alone: ADD reaches it with the network 'host'",
      ),
      unknown: expect.stringContaining('none.example has no address in the network of the build'),
      neighbour: 'added',
    });
    // the oracle is the server: this machine's own processes have its address
    const [first = '', second = ''] = heard;
    expect(first).toMatch(/^\/name of (?!192\.0\.2\.)\d+\.\d+\.\d+\.\d+$/);
    expect(second).toMatch(/^\/secure of (?!192\.0\.2\.)\d+\.\d+\.\d+\.\d+$/);
    expect(containers).toBe(0);
  });

  it('asks again for a name whose server has failed for now', async () => {
    const { told, containers } = await toldBy('bridge', 'later');
    expect([told, containers]).toEqual([{ later: 'added' }, 0]);
  });

  it("of the machine's comes from this machine's own address", async () => {
    const { told, heard } = await toldBy('host', 'name', 'secure', 'neighbour');
    expect([told.name, told.secure, told.neighbour]).toEqual(['added', 'added', 'added']);
    expect(heard.slice(0, 2)).toEqual(['/name of 192.0.2.2', '/secure of 192.0.2.2']);
  });

  it("of pasta's reaches the world, and at this machine's address its own, where nobody is", async () => {
    const { told, heard, containers } = await toldBy('pasta', 'name', 'neighbour');
    expect([told.neighbour, heard, containers]).toEqual(['added', [], 0]);
    expect(told.name).toMatch(/ADD of http:\/\/here\.example.*refused/s);
  });
});
