import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { runNode } from '../fixtures/node.js';
import { temporaryFolder } from '../fixtures/temporary.js';
import { type Attack, byHand, rootOnly } from './attack.js';

const folder = temporaryFolder();
const spoof = readFileSync(fileURLToPath(new URL('../fixtures/programs/spoof.py', import.meta.url)), 'utf8');

/** One of two who are on a network attacks the other, 10.89.0.3; then a script looks what became of it. */
interface NetworkAttack extends Pick<Attack, 'attack' | 'source' | 'protection'> {
  /** Of spoof.py. */
  readonly what: 'arp' | 'neighbour' | 'ip' | 'name' | 'mac' | 'router';
  /** What the other does before. */
  readonly before: string;
  readonly look: { readonly at: 'victim' | 'machine'; readonly script: string };
  readonly on: string;
  readonly off: string;
}

/** Tried by containers on a network, and by links that ip(8) makes in the same way, with a bridge and nothing more. Each has a machine of its own: a network namespace. */
export function onNetwork({ what, before, look, on, off, ...facts }: NetworkAttack): Attack {
  const args = [what, spoof, before, look.at, look.script];
  return {
    ...facts,
    needs: { tools: ['awk', 'grep', 'ip', 'nsenter', 'ping', 'python3', 'sed', 'unshare'], kernel: '5.12' },
    as: rootOnly('networks with addresses are for root'),
    on: {
      setting: "capAdd: [ 'NET_RAW' ], network: 'attacked'",
      says: on,
      run: () => {
        const own = mkdtempSync(join(folder, 'network-'));
        const through = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'];
        return runNode<string>('network-attack', args, {
          through,
          env: { NACELLE_RUNROOT: join(own, 'run'), NACELLE_ROOT: join(own, 'store') },
        });
      },
    },
    off: byHand('a bridge and two veth pairs, made by ip(8)', off, async () => {
      const own = { ...process.env, LD_PRELOAD: undefined };
      const { stdout } = await promisify(execFile)('unshare', ['-n', 'sh', '-ec', BY_HAND, 'sh', ...args], {
        env: own,
        timeout: 60_000,
      });
      return stdout.trim();
    }),
  };
}

/** Its arguments are those of network-attack.ts. Whatever is in a namespace of the test's own is done there by a process that was seen to be in one. */
const BY_HAND = `
  pids=
  trap 'kill -9 $pids' EXIT
  ip link set lo up
  ip link add br0 type bridge
  ip addr add 10.89.0.1/24 dev br0
  ip addr add fd00:1::1/64 dev br0 nodad
  ip link set br0 up
  for n in 2 3; do
    unshare -n sleep 1000 </dev/null >/dev/null 2>&1 & pid=$!
    pids="$pids $pid"
    until [ "$(readlink /proc/$pid/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
    ip link add v$n type veth peer name eth0 netns $pid
    ip link set v$n master br0 up
    nsenter -t $pid -n ip addr add 10.89.0.$n/24 dev eth0
    nsenter -t $pid -n ip addr add fd00:1::$n/64 dev eth0 nodad
    nsenter -t $pid -n ip link set eth0 up
    until nsenter -t $pid -n ip -6 addr show dev eth0 scope link -tentative | grep -q fe80; do sleep 0.05; done
    eval pid$n=$pid
  done
  mac=$(nsenter -t $pid3 -n ip -br link show eth0 | awk '{ print $3 }')
  nsenter -t $pid3 -n sh -c "$3" >/dev/null || true
  if [ "$1" = name ]; then
    nsenter -t $pid2 -n python3 -c "$2" "$1" "$mac" >/dev/null & pids="$pids $!"
  else
    nsenter -t $pid2 -n python3 -c "$2" "$1" "$mac"
  fi
  if [ "$4" = victim ]; then nsenter -t $pid3 -n sh -c "$5"; else sh -c "$5"; fi`;
