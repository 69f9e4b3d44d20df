import { invalidOption } from '../../errors.js';
import { findPlugin } from '../../host/cni-feature.js';
import type { PluginConf } from './conflist.js';

/** @throws NacelleError `ERR_INVALID_OPTION`, which names the folders that were searched */
export function requirePlugins(plugins: readonly PluginConf[], path: readonly string[]): void {
  const [missing] = plugins.filter(({ type }) => findPlugin(type, path) === null);
  if (missing === undefined) return;
  const cure = 'Install it (Debian: containernetworking-plugins), or name its folder in the variable CNI_PATH';
  throw invalidOption('driver.cni', `has the plugin '${missing.type}', which is in none of ${path.join(', ')}. ${cure}`);
}
