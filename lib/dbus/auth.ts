import { Buffer } from 'node:buffer';
import { DBusError, malformed } from './dbus-error.js';

// SASL before the first message ("Authentication Protocol" of the specification): the client sends a NUL and AUTH EXTERNAL, and DATA with nothing, by which the
// server takes the credentials that the kernel tells of the client: a user namespace may have the same user under another number. It answers DATA and OK, the
// client says BEGIN, and messages follow.

/** What a client sends first. */
export const AUTH = Buffer.from('\0AUTH EXTERNAL\r\nDATA\r\n');

/** What it sends when it has been let in. */
export const BEGIN = Buffer.from('BEGIN\r\n');

/** Bytes. The answers are 'DATA', and 'OK' and 32 digits. */
const LONGEST_ANSWER = 1024;

/** The answer to AUTH EXTERNAL without a user, which DATA has answered already. */
const ASKED = Buffer.from('DATA\r\n');

/**
 * What is left after the server's answer in what came of it; `null`: it is not all there. Pure.
 *
 * @throws DBusError: the server refuses this user
 */
export function afterAuth(received: Buffer): Buffer | null {
  const asked = received.subarray(0, ASKED.length).equals(ASKED) ? ASKED.length : 0;
  const end = received.indexOf('\r\n', asked);
  if (end < 0 && received.length <= LONGEST_ANSWER) return null;
  if (end < 0 || end > LONGEST_ANSWER) throw malformed('the answer to AUTH has no end');
  const line = received.toString('latin1', asked, end);
  if (!/^OK(?: |$)/.test(line)) throw new DBusError(`D-Bus: the bus refuses this user: ${line}`);
  return received.subarray(end + 2);
}
