// Node's own headers for node-gyp, where they came with it: else node-gyp downloads them, which needs nodejs.org.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const prefix = dirname(dirname(process.execPath));
const folder = join(prefix, 'include', 'node');

function fits() {
  if (!['node_api.h', 'node_version.h', 'common.gypi', 'config.gypi'].every((name) => existsSync(join(folder, name)))) return false;
  const text = readFileSync(join(folder, 'node_version.h'), 'utf8');
  const part = (name) => new RegExp(`^#define NODE_${name}_VERSION (\\d+)$`, 'm').exec(text)?.[1];
  return process.versions.node === ['MAJOR', 'MINOR', 'PATCH'].map(part).join('.');
}

/** Environment for node-gyp. What the caller has set in his own comes first. */
export const nodeHeaders = fits() ? { npm_config_nodedir: prefix } : {};
