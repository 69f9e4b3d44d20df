import { NacelleError } from '../errors.js';

/** A bus, or a program on it, can't be reached, answers with an error, or says what no program should. */
export class DBusError extends NacelleError {
  override readonly name = 'DBusError';
  /** The error's name of the program that answered: 'org.freedesktop.systemd1.UnitExists'; `null` where none answered. */
  readonly errorName: string | null;

  constructor(message: string, { errorName = null, ...options }: { errorName?: string | null; cause?: unknown } = {}) {
    super(message, { code: 'ERR_DBUS', ...options });
    this.errorName = errorName;
  }
}

/** Bytes that are no message of D-Bus, or more than anybody reads. */
export function malformed(problem: string): DBusError {
  return new DBusError(`D-Bus: ${problem}`);
}
