// The default filters of system calls that most containers have, compiled ahead: the compiler would cost a first run a tenth of its time.
import { build } from 'esbuild';
import { root } from './shared.mjs';

/** What compiles them, and for whom: containers with the default capabilities, and with none. */
const source = `
  export { compileProfile, filterKey } from './lib/security/seccomp.ts';
  export { defaultProfile } from './lib/security/default-profile.ts';
  export { defaultCapabilities } from './lib/security/capabilities.ts';`;
const ARCHITECTURES = ['x86_64', 'arm64'];

export async function renderReadyFilters() {
  const stdin = { contents: source, resolveDir: root, loader: 'ts' };
  const { outputFiles } = await build({ stdin, bundle: true, write: false, platform: 'node', format: 'esm', logLevel: 'warning' });
  const { compileProfile, filterKey, defaultProfile, defaultCapabilities } = await import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
  );
  const subjects = ARCHITECTURES.flatMap((arch) => [defaultCapabilities, 0n].map((capabilities) => ({ arch, capabilities })));
  const rows = subjects.map((subject) => {
    const filter = Buffer.from(compileProfile(defaultProfile, subject));
    return `  [\n    '${filterKey(subject)}',\n    '${filter.toString('base64')}',\n  ],\n`;
  });
  return `// Generated from default-profile.ts by scripts/ready-filters.mjs. Change that file, not this one.

/** Filters of \`seccomp: 'default'\`: struct sock_filter[] in base64, by the keys of \`filterKey\`. */
export const readyFilters: ReadonlyMap<string, string> = new Map([
${rows.join('')}]);
`;
}
