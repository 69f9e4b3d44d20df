import { describe, expect, it } from 'vitest';
import { known, parseMac } from '../../../../lib/network/address.js';
import { changedPorts, noted } from '../../../../lib/network/rules/noted-ports.js';
import type { NamedPort } from '../../../../lib/network/rules/own-rules.js';
import { cidrOf } from '../../../fixtures/nft-rules.js';

/** The port of the container with this last number in its address. */
function port(number: number, index = 2 ** 30 + number): NamedPort {
  const byte = number.toString(16).padStart(2, '0');
  const mac = known(parseMac(`02:6e:0a:01:00:${byte}`));
  return { name: `nclv0a0100${byte}`, index, mac, addresses: [cidrOf(`10.1.0.${number}/24`)] };
}

const portsFrom = (first: number, count: number): NamedPort[] => Array.from({ length: count }, (_, place) => port(first + place));

/** Of those that were noted, and those that come, by their names and numbers. */
function changed(before: readonly NamedPort[], ports: readonly NamedPort[], there: readonly NamedPort[] = []) {
  const asked: string[] = [];
  const isThere = ({ name }: { readonly name: string }): boolean => {
    asked.push(name);
    return there.some((one) => one.name === name);
  };
  const { gone, left } = changedPorts(before.map(noted), ports, { network: 'a', isThere });
  return { gone: gone.map(({ name, index }) => [name, index]), left: left.map(({ name, index }) => [name, index]), asked };
}

const keys = (ports: readonly NamedPort[]): [string, number][] => ports.map(({ name, index }) => [name, index]);

describe('the ports that are noted', () => {
  it('stay while they are there, and are taken out when they are not', () => {
    const [one, two, three] = [port(2), port(3), port(4)];
    expect(changed([one, two], [three], [two])).toMatchObject({ gone: keys([one]), left: keys([two, three]) });
    expect(changedPorts([noted(one)], [two], { network: 'a', isThere: () => false }).gone).toMatchObject([one]);
  });

  it('are looked at some at a time, the others first the next time', () => {
    const before = portsFrom(10, 12);
    const seen = changed(before, [port(2)], before);
    expect(seen.asked).toEqual(before.slice(0, 8).map(({ name }) => name));
    expect(seen.left).toEqual(keys([...before.slice(8), ...before.slice(0, 8), port(2)]));
    expect(changed(before, [port(2)])).toMatchObject({ gone: keys(before.slice(0, 8)), left: keys([...before.slice(8), port(2)]) });
  });

  it('are not noted twice for who shares one, which stays without being asked about', () => {
    expect(changed([port(2)], [port(2)])).toEqual({ gone: [], left: keys([port(2)]), asked: [] });
  });

  it.each([
    ['number', port(2, port(3).index)],
    ['name', port(2)],
  ])('are taken out when another comes that has the same %s, wherever they stand', (_, before) => {
    const comes = before.index === port(3).index ? port(3) : port(2, 2 ** 30 + 99);
    const others = portsFrom(20, 10);
    expect(changed([...others, before], [comes], [...others, before])).toMatchObject({
      gone: keys([before]),
      left: keys([...others.slice(8), ...others.slice(0, 8), comes]),
    });
  });
});
