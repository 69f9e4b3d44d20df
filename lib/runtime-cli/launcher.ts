import { realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { geteuid } from 'node:process';
import { NacelleError } from '../errors.js';
import { attempt } from '../native/system-errors.js';

/** Variables by which Node, or the OpenSSL in it, loads or writes files, or takes a descriptor for its parent's. */
export const CLEARED = [
  ...['NODE_OPTIONS', 'NODE_PATH', 'NODE_EXTRA_CA_CERTS', 'NODE_REPL_EXTERNAL_MODULE', 'NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE'],
  ...['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_REDIRECT_WARNINGS', 'NODE_ICU_DATA', 'NODE_CHANNEL_FD', 'NODE_UNIQUE_ID'],
  ...['OPENSSL_CONF', 'OPENSSL_CONF_INCLUDE', 'OPENSSL_MODULES', 'OPENSSL_ENGINES'],
];

/**
 * A script that starts the runtime, where the shim's executable can be no script's interpreter. Engines call it with no PATH and with an environment that is not theirs: so it names its Node by an absolute path, and
 * nobody's NODE_OPTIONS has root load code. Variables that are the runtime's own affair, such as LISTEN_FDS, pass. Pure.
 */
export function launcherText(node: string, script: string): string {
  const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`;
  return `#!/bin/sh\nunset ${CLEARED.join(' ')}\nexec ${quoted(node)} ${quoted(script)} "$@"\n`;
}

/**
 * Checks that nobody but root and this user can put another file in the place of one that root will run.
 *
 * @throws NacelleError `ERR_NOT_OWN` for what is another user's, or others may write to, on the way to the file; SyscallError
 */
export function requireTrusted(path: string): void {
  attempt(`look at ${path}`, () => {
    for (let at = realpathSync(path); ; at = dirname(at)) {
      const { uid, mode } = statSync(at);
      // in a folder such as /tmp nobody else may rename or remove
      const isSticky = (mode & 0o1000) !== 0;
      if (uid !== 0 && uid !== geteuid?.()) throw notTrusted(path, at, `belongs to the user ${uid}`);
      if ((mode & 0o002) !== 0 && !isSticky) throw notTrusted(path, at, 'can be written to by others');
      if (at === '/') return;
    }
  });
}

function notTrusted(path: string, at: string, problem: string): NacelleError {
  return new NacelleError(`${path} would be run as root, but ${at} ${problem}: install it where root alone may write`, {
    code: 'ERR_NOT_OWN',
  });
}
