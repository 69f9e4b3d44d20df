import { Buffer } from 'node:buffer';
import { DBusError, malformed } from './dbus-error.js';

// SASL before the first message ("Authentication Protocol" of the specification): the client sends a NUL and AUTH EXTERNAL, which the server compares with
// the credentials that the kernel tells of the client. It answers OK, the client says BEGIN, and messages follow.

/** What a client sends first. */
export function authRequest(uid: number): Buffer {
  return Buffer.from(`\0AUTH EXTERNAL ${Buffer.from(String(uid)).toString('hex')}\r\n`);
}

/** What it sends when it has been let in. */
export const BEGIN = Buffer.from('BEGIN\r\n');

/** Bytes. The answer is 'OK' and 32 digits. */
const LONGEST_ANSWER = 1024;

/**
 * What is left after the server's answer in what came of it; `null`: it is not all there. Pure.
 *
 * @throws DBusError: the server refuses this user
 */
export function afterAuth(received: Buffer): Buffer | null {
  const end = received.indexOf('\r\n');
  if (end < 0 && received.length <= LONGEST_ANSWER) return null;
  if (end < 0 || end > LONGEST_ANSWER) throw malformed('the answer to AUTH has no end');
  const line = received.toString('latin1', 0, end);
  if (!/^OK(?: |$)/.test(line)) throw new DBusError(`D-Bus: the bus refuses this user: ${line}`);
  return received.subarray(end + 2);
}
