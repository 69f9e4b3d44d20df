import { onNetwork } from '../on-network.js';

const ASKS = 'ping -c1 -W5 10.89.0.1 >/dev/null';
const RULES = 'rules at the port of each container, for the addresses that are its own';

/** Asks as a careless resolver does, which takes every answer: with one port and one id. */
const ASKS_FOR_PEER = `
import socket, struct
own = "127.0.0.11" in open("/etc/resolv.conf").read()
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.bind(("0.0.0.0", 5353))
question = struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + b"\\x04peer\\0" + struct.pack("!HH", 1, 1)
codes = set()
for _ in range(200):
    asking.sendto(question, ("127.0.0.11" if own else "10.89.0.1", 53))
    codes.add(asking.recv(512)[3] & 15)
print("it is there" if codes == {0} else "led astray")`;

export const networks = [
  onNetwork({
    attack: 'tells another container on its network that the gateway is itself',
    source: 'ARP spoofing',
    protection: RULES,
    what: 'arp',
    before: ASKS,
    look: {
      at: 'victim',
      script: `ping -c1 -W5 10.89.0.2 >/dev/null; \
other=$(ip neigh show 10.89.0.2 | sed 's/.*lladdr //; s/ .*//'); gateway=$(ip neigh show 10.89.0.1 | sed 's/.*lladdr //; s/ .*//'); \
[ "$other" = "$gateway" ] && echo 'led astray' || echo 'as before'`,
    },
    on: 'as before',
    off: 'led astray',
  }),
  onNetwork({
    attack: 'tells another container on its network that the gateway of IPv6 is itself',
    source: 'neighbour spoofing (RFC 4861 section 11.1)',
    protection: RULES,
    what: 'neighbour',
    before: 'ping -6 -c1 -W5 fd00:1::1 >/dev/null',
    look: {
      at: 'victim',
      script: `ping -c1 -W5 10.89.0.2 >/dev/null; \
other=$(ip neigh show 10.89.0.2 | sed 's/.*lladdr //; s/ .*//'); gateway=$(ip -6 neigh show fd00:1::1 | sed 's/.*lladdr //; s/ .*//'); \
[ -z "$gateway" ] && echo unknown || { [ "$other" = "$gateway" ] && echo 'led astray' || echo 'as before'; }`,
    },
    on: 'as before',
    off: 'led astray',
  }),
  onNetwork({
    attack: 'asks in the name of another container, which gets the answers',
    source: 'IP spoofing',
    protection: RULES,
    what: 'ip',
    before: 'true',
    look: {
      at: 'victim',
      script: `awk '/^IcmpMsg:/ && !n { n = split($0, names) } /^IcmpMsg:/ { split($0, counts) } END { for (i in names) if (names[i] == "InType0" && counts[i] > 0) found = 1; print found ? "answers" : "nothing" }' /proc/net/snmp`,
    },
    on: 'nothing',
    off: 'answers',
  }),
  onNetwork({
    attack: 'answers in the name of the name server that another container is not there',
    source: 'DNS spoofing (RFC 5452)',
    protection: RULES,
    what: 'name',
    before: 'true',
    look: { at: 'victim', script: `python3 -c '${ASKS_FOR_PEER}'` },
    on: 'it is there',
    off: 'led astray',
  }),
  onNetwork({
    attack: 'has the bridge send it what is for another container',
    source: 'MAC spoofing',
    protection: 'a bridge that learns nothing, and ports that are locked to their address',
    what: 'mac',
    before: ASKS,
    look: { at: 'machine', script: `ping -c1 -W2 10.89.0.3 >/dev/null && echo reached || echo 'cut off'` },
    on: 'reached',
    off: 'cut off',
  }),
  onNetwork({
    attack: 'makes itself the router of another container',
    source: 'router advertisements of IPv6 (CVE-2020-13401)',
    protection: 'accept_ra is 0 in containers, and rules at the port',
    what: 'router',
    before: 'true',
    look: { at: 'victim', script: `ip -6 route show default | grep -q 'proto ra' && echo 'a route' || echo none` },
    on: 'none',
    off: 'a route',
  }),
];
