/**
 * A script that starts the runtime. Engines call it with no PATH and with an environment that is not theirs: so it names its Node by an absolute path, and
 * nobody's NODE_OPTIONS has root load code. Pure.
 */
export function launcherText(node: string, script: string): string {
  const quoted = (path: string): string => `'${path.replaceAll("'", "'\\''")}'`;
  const unset = [
    'NODE_OPTIONS',
    'NODE_PATH',
    'NODE_EXTRA_CA_CERTS',
    'NODE_REPL_EXTERNAL_MODULE',
    'NODE_V8_COVERAGE',
    'NODE_COMPILE_CACHE',
    'NODE_DEBUG',
  ];
  return `#!/bin/sh\nunset ${unset.join(' ')}\nexec ${quoted(node)} ${quoted(script)} "$@"\n`;
}
