import { expect } from 'vitest';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { programFile } from '../../fixtures/node.js';
import { requires } from '../../fixtures/requires.js';
import { called, makeBundle, useRuntimes } from '../../fixtures/runtime-bundle.js';
import { scriptParts } from '../../fixtures/script-parts.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

useLeakCheck();
const { describe, it } = requires({ root: true, tools: ['busybox', 'unshare', 'ip'] });
const folder = temporaryFolder();
const { states } = useRuntimes(folder);

const SHOW =
  "for link in $(busybox ls /sys/class/net); do echo $link $(busybox ip -o addr show dev $link | busybox awk '{ print $4 }' | busybox sort); done";

/** Shows the folders of containers; a folder of states need not be there. */
const STATES = `busybox ls '${states}' 2> /dev/null | busybox grep -v '^@'`;

/** Runs a script in a network namespace of its own, with two links. */
async function withLinks(script: string): Promise<Record<string, string>> {
  const head = `exec 2>&1
oci() { '${process.execPath}' '${programFile('nacelle-oci')}' --root '${states}' "$@"; }
ip link add one type veth peer name two; ip addr add 192.0.2.5/24 dev one; ip addr add 2001:db8::5/64 dev one nodad; ip link set one up`;
  const { stdout } = await called('unshare', ['--net', 'sh', '-c', `${head}\n${script}`]);
  return scriptParts(stdout);
}

const bundleWith = (netDevices: object, change = (_: { namespaces: { type: string }[] }): void => undefined): string =>
  makeBundle(
    folder,
    ['sh', '-c', `${SHOW}; busybox ip -o link show up | busybox grep -c "state"; busybox ls /sys/class/net | busybox grep -c .`],
    (config) => {
      Object.assign(config.linux, { netDevices });
      change(config.linux);
    },
  );

describe('network devices of a container', () => {
  it('are moved to it with their addresses, under another name', async () => {
    const { inside, after } =
      await withLinks(`echo == inside; oci run --bundle ${bundleWith({ one: { name: 'eth0' }, two: {} })} one; echo $?
echo == after; ip -o link`);
    expect(inside).toMatch(/^eth0 192\.0\.2\.5\/24 2001:db8::5\/64 fe80::\S+\nlo 127\.0\.0\.1\/8 ::1\/128\ntwo fe80::\S+\n/);
    expect(inside).toMatch(/\n3\n0\n$/);
    // what is no hardware goes with the namespace that it is in
    expect(after).not.toMatch(/\d+: (?:one|two)[@:]/);
  });

  it('are refused before anything is made', async () => {
    for (const [bundle, words] of [
      [bundleWith({ three: {} }), 'linux.netDevices.three'],
      [bundleWith({ one: { name: 'much-too-long-a-name' } }), 'linux.netDevices'],
      [bundleWith({ '..': {} }), 'linux.netDevices'],
      [
        bundleWith({ one: {} }, (linux) => {
          linux.namespaces = linux.namespaces.filter(({ type }) => type !== 'network');
        }),
        'unable to move network devices without a private NET namespace',
      ],
    ] as const) {
      const { run, left } = await withLinks(
        `echo == run; oci run --bundle ${bundle} one; echo $?; echo == left; ip -o link show one; ${STATES}`,
      );
      expect(run).toContain(words);
      expect(run).toMatch(/\n1\n$/);
      expect(left).toMatch(/^\d+: one@two: .*\n$/);
    }
  });

  it('are told of by their names when one has no place', async () => {
    const { run } = await withLinks(`echo == run; oci run --bundle ${bundleWith({ one: { name: 'lo' } })} one; echo $?`);
    expect(run).toMatch(/^move one to the container: EEXIST[\s\S]*\n1\n$/);
  });
});
