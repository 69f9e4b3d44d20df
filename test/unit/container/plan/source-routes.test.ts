import { describe, expect, it } from 'vitest';
import { endSources, type SourceLink, sourceRoutes, sourceSteps, sourcesWithout } from '../../../../lib/container/plan/source-routes.js';
import { known, knownAddress, parseCidr } from '../../../../lib/network/address.js';

const link = (index: number, addresses: string[], gateways: string[]): SourceLink => ({
  index,
  interface: `eth${index - 100}`,
  addresses: addresses.map((text) => known(parseCidr(text))),
  gateways: gateways.map(knownAddress),
});
const one = link(100, ['10.1.0.2/24', 'fd00:1::2/64'], ['10.1.0.1', 'fd00:1::1']);
const two = link(101, ['10.2.0.2/24'], ['10.2.0.1']);
const internal = link(102, ['10.3.0.2/24'], []);
const words = (links: readonly SourceLink[]): string[] =>
  sourceRoutes(links).map((route) => `${route.address.text} by ${route.gateway.text} at ${route.interface}`);

describe('the ways of what is sent from the addresses of a container', () => {
  it('are none where there is one link', () => {
    expect(words([one])).toEqual([]);
    expect(words([])).toEqual([]);
  });

  it('are those of each address by a gateway of its family, and none of a network that leads nowhere', () => {
    expect(words([one, two, internal])).toEqual([
      '10.1.0.2/24 by 10.1.0.1 at eth0',
      'fd00:1::2/64 by fd00:1::1 at eth0',
      '10.2.0.2/24 by 10.2.0.1 at eth1',
    ]);
  });

  it('are made as a table with the subnet and the gateway, to which a rule leads, and the rule is taken back', () => {
    const routes = sourceRoutes([two, internal]);
    const what = (steps: ReturnType<typeof sourceSteps>): string[] => steps.flatMap((step) => (step.op === 'netlink' ? [step.what] : []));
    expect(what(sourceSteps(routes, 1))).toEqual([
      'add the route to 10.2.0.0/24 to the table of eth1',
      'add the route by 10.2.0.1 to the table of eth1',
      'have what is sent from 10.2.0.2 leave by eth1',
    ]);
    expect(what(endSources(routes, 1))).toEqual(['have what is sent from 10.2.0.2 leave by eth1 no more']);
  });

  it('change by those of the link that comes or goes, and by all where one link is left', () => {
    const both = sourceRoutes([one, two]);
    expect(sourcesWithout(sourceRoutes([one, two, internal]), both)).toEqual([]);
    expect(sourcesWithout(both, sourceRoutes([one]))).toEqual(both);
    const three = sourceRoutes([one, two, link(103, ['10.4.0.2/24'], ['10.4.0.1'])]);
    expect(sourcesWithout(three, both).map(({ index }) => index)).toEqual([103]);
  });
});
