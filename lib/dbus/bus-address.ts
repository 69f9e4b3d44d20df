import { Buffer } from 'node:buffer';
import { malformed } from './dbus-error.js';

/**
 * The sockets of the unix domain in a server address, as in $DBUS_SESSION_BUS_ADDRESS: 'unix:path=/run/user/1000/bus;tcp:…' ("Server
 * Addresses" of the specification). An abstract one begins with NUL. Transports other than these are left out. Pure.
 *
 * @param runtimeFolder $XDG_RUNTIME_DIR, for 'unix:runtime=yes'
 * @throws DBusError: it is no such address
 */
export function unixSocketsIn(address: string, runtimeFolder: string | null): string[] {
  return address
    .split(';')
    .filter((entry) => entry !== '')
    .flatMap((entry) => {
      const colon = entry.indexOf(':');
      if (colon < 1) throw malformed(`'${entry}' is no address of a bus`);
      const keys = keysIn(entry.slice(colon + 1));
      if (entry.slice(0, colon) !== 'unix') return [];
      const [path, abstract] = [keys.get('path'), keys.get('abstract')];
      if (path) return [path];
      if (abstract) return [`\0${abstract}`];
      return keys.get('runtime') === 'yes' && runtimeFolder !== null ? [`${runtimeFolder}/bus`] : [];
    });
}

function keysIn(text: string): Map<string, string> {
  const pairs = text.split(',').filter((pair) => pair !== '');
  return new Map(
    pairs.map((pair) => {
      const [key = '', ...rest] = pair.split('=');
      if (key === '' || rest.length === 0) throw malformed(`'${pair}' is no part of an address of a bus`);
      return [key, unescaped(rest.join('='))];
    }),
  );
}

/** Bytes may be written as '%' and two hexadecimal digits. */
function unescaped(text: string): string {
  if (/%(?![0-9a-fA-F]{2})/.test(text)) throw malformed(`'${text}' has a '%' without two digits`);
  const bytes = text.split(/%([0-9a-fA-F]{2})/).map((part, index) => Buffer.from(part, index % 2 === 1 ? 'hex' : 'utf8'));
  return Buffer.concat(bytes).toString();
}
