import { describe, expect, it } from 'vitest';
import { HOST_ADDRESS, hostPortSteps, stopHostPorts } from '../../../../lib/network/relay/host-ports.js';
import { Slots } from '../../../../lib/plan/plan.js';
import type { Step } from '../../../../lib/plan/steps.js';

const steps = (ports: readonly number[], isAgain = false): Step[] => hostPortSteps(ports, { slots: new Slots(), isAgain });
const words = (list: readonly Step[]): string[] => list.map(({ op }) => op);

describe("ports of the caller's loopback", () => {
  it('cost nothing where there are none', () => {
    expect([...steps([]), ...steps([], true), ...stopHostPorts([])]).toEqual([]);
  });

  it("are served at an address of the container's own, once it is there", () => {
    const all = steps([5432, 80]);
    expect(words(all)).toEqual(['open_namespace', 'netlink_socket', 'netlink', 'relay_ports', 'close', 'close']);
    const namespace = all.find((step) => step.op === 'open_namespace')?.out;
    expect(all).toContainEqual({
      op: 'relay_ports',
      host: true,
      ns: namespace,
      at: '198.19.255.254',
      ports: ['5432', '80'],
      to: ['127.0.0.1', '::1'],
    });
    // struct ifaddrmsg (rtnetlink(7)): AF_INET, /32, no flags, the scope of the host; the loopback's number
    const message = all.flatMap((step) => (step.op === 'netlink' ? [Buffer.from(step.message)] : []))[0];
    expect(message?.subarray(16, 24)).toEqual(Buffer.from([2, 32, 0, 254, 1, 0, 0, 0]));
    expect(message?.includes(Buffer.from(HOST_ADDRESS.split('.').map(Number)))).toBe(true);
  });

  it('leave no descriptor open that would keep the namespace', () => {
    const all = steps([5432]);
    const opened = all.flatMap((step) => ('out' in step && step.out !== undefined ? [step.out] : []));
    expect(all.flatMap((step) => (step.op === 'close' ? [step.slot] : [])).sort()).toEqual(opened.sort());
  });

  it("end with the container, and before another run's begin", () => {
    expect(words(stopHostPorts([5432]))).toEqual(['stop_relay']);
    expect(words(steps([5432], true))[0]).toBe('stop_relay');
  });
});
