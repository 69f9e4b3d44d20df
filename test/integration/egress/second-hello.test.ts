import { expect } from 'vitest';
import { egressScenarios, type Told } from '../../fixtures/egress/scenarios.js';
import { useLeakCheck } from '../../fixtures/leaks.js';
import { requires } from '../../fixtures/requires.js';

// A server of TLS 1.3 that doesn't like the client's keys asks for another ClientHello, and takes the name in that one (OpenSSL does): so the
// name in both has to be the one that the list has.
const { describe, it } = requires({ root: true, tools: ['unshare', 'nsenter', 'ip', 'dnsmasq', 'openssl', 'mount', 'umount', 'python3'] });

useLeakCheck();
const scenario = egressScenarios('egress');

const attempt = (attempts: Record<string, string>, options: object): Promise<Told & { served: string[] }> =>
  scenario('attempts', { attempts, options });

/** Two ClientHellos, the second one to this name, sent in some way. */
const ways = (host: string, first: string, second: string): Record<string, string> => {
  const twice = (write = ''): string => `twice('${host}', 9443, '${first}', '${second}'${write && `, (one, other) => ${write}`})`;
  return {
    'once it was asked for': twice(),
    'before it was asked for': twice('[Buffer.concat([one, other])]'),
    'in pieces': twice('[...inRecords(one, 40), null, ...inRecords(other, 40)]'),
    'in pieces, and before it was asked for': twice('[...inRecords(one, 200), ...inRecords(other, 200)]'),
    'behind a change of cipher': twice('[one, null, CHANGE, other]'),
    'behind a change of cipher in one segment': twice('[Buffer.concat([one, CHANGE, other])]'),
  };
};
/** What a server might take one from, and what it might go past. */
const OTHERS = {
  'in the same record':
    "twice('good.example', 9443, 'good.example', 'evil.example', (one, other) => [record(22, Buffer.concat([one.subarray(5), other.subarray(5)]))])",
  'without a name': "twice('good.example', 9443, 'good.example', '')",
  'with an alert in it':
    "twice('good.example', 9443, 'good.example', 'good.example', (one, other) => [one, null, inRecords(other, 40)[0], record(21, Buffer.from([1, 0]))])",
  'that is none':
    "twice('good.example', 9443, 'good.example', 'good.example', (one) => [one, null, Buffer.from('GET / HTTP/1.1\\r\\n\\r\\n')])",
};

/**
 * A ClientHello with the name at its end, of which a byte is urgent: recv(2) leaves that out, unless it is in line. So one who reads it has another
 * name than one who doesn't, and both have a whole ClientHello.
 */
const URGENT = `
import socket, ssl, sys
host, way = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
said = ssl.MemoryBIO()
try: context.wrap_bio(ssl.MemoryBIO(), said, server_hostname='good.example').do_handshake()
except ssl.SSLWantReadError: pass
hello = said.read()
at = 5 + 4 + 2 + 32
at += 1 + hello[at]
at += 2 + int.from_bytes(hello[at:at + 2], 'big')
at += 1 + hello[at]
extensions, i = [], at + 2
while i < len(hello):
    size = 4 + int.from_bytes(hello[i + 2:i + 4], 'big')
    extensions.append(hello[i:i + size])
    i += size
extensions.sort(key=lambda one: one[:2] == b'\\0\\0')
hello = hello[:at + 2] + b''.join(extensions)
name = len(hello) - len('good.example')
one = socket.create_connection((host, 9443))
one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
urgent = lambda byte: one.send(byte, socket.MSG_OOB)
try:
    one.sendall(b'' if way == 'first' else hello[:name])
    urgent(hello[name:name + 1] if way == 'own' else b'e')
    one.sendall(hello if way == 'first' else hello[name + 1:] + b'q' if way == 'own' else hello[name:])
    if way == 'twice': urgent(b'x')
    if way != 'first': one.shutdown(socket.SHUT_WR)
    print('an answer' if one.recv(1) else 'closed')
except OSError: print('reset')`;

const urgent = (host: string, way: string): string =>
  `run('python3', ['-c', ${JSON.stringify(URGENT)}, '${host}', '${way}'], '').then((out) => out.trim())`;

describe('a ClientHello with an urgent byte', () => {
  it('is of no other name for the server than for us', async () => {
    const ways = { 'more in the name': 'more', 'one of the name': 'own', 'two of them': 'twice', 'before it': 'first' };
    const attempts = Object.fromEntries(Object.entries(ways).map(([name, way]) => [name, urgent('good.example', way)]));
    const { got, served } = await attempt(attempts, { egress: { allow: ['good.example'] } });
    const ended = expect.stringMatching(/^(closed|reset)$/);
    expect(got).toEqual({ 'more in the name': ended, 'one of the name': ended, 'two of them': ended, 'before it': 'an answer' });
    expect(new Set(served)).toEqual(new Set(['good.example']));
  });
});

describe('a second ClientHello', () => {
  it('goes on when it is to the same name', async () => {
    const client = "['s_client', '-connect', 'good.example:9443', '-servername', 'good.example', '-groups', 'X25519:P-384', '-msg']";
    const { got, refused, served } = await attempt(
      { openssl: `run('openssl', ${client}, 'GET / HTTP/1.0\\r\\n\\r\\n')`, ...ways('good.example', 'good.example', 'GOOD.example') },
      { egress: { allow: ['good.example'] } },
    );
    expect(refused).toEqual([]);
    const { openssl = '', ...others } = got;
    // what OpenSSL says itself of two
    expect(openssl.match(/>>> TLS 1\.[0-3], Handshake \[length \w+\], ClientHello/g)).toHaveLength(2);
    expect(openssl).toContain('New, TLSv1.3');
    expect(others).toEqual(Object.fromEntries(Object.keys(others).map((name) => [name, 'an answer'])));
    expect(new Set(served.map((name) => name.toLowerCase()))).toEqual(new Set(['good.example']));
  });

  it('does not go on when it is to another name, or to none', async () => {
    const { got, refused, served } = await attempt(
      { ...ways('good.example', 'good.example', 'evil.example'), ...OTHERS },
      { egress: { allow: ['good.example'] } },
    );
    const error = expect.stringMatching(/^(ECONNRESET|closed)$/);
    expect(got).toEqual(Object.fromEntries(Object.keys(got).map((name) => [name, error])));
    const evil = Object.keys(ways('', '', '')).map(() => ['evil.example', null, 9443]);
    expect(refused).toEqual([...evil, ...Object.keys(OTHERS).map(() => ['good.example', null, 9443])]);
    expect(new Set(served)).toEqual(new Set(['good.example']));
  });

  it('would reach the server by these ways without the list', async () => {
    const all = ways('11.1.0.1', 'good.example', 'evil.example');
    const more = { 'an urgent byte more': urgent('11.1.0.1', 'more'), 'an urgent byte of its own': urgent('11.1.0.1', 'own') };
    const { got, served } = await attempt({ ...all, ...more }, { network: 'host' });
    expect(got).toEqual(Object.fromEntries(Object.keys(got).map((name) => [name, 'an answer'])));
    expect(served.filter((name) => name === 'evil.example')).toHaveLength(Object.keys(all).length);
    expect(served).toContain('ood.exampleq');
  });
});
