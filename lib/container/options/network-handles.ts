import type { Namespace } from '../../namespace/namespace.js';
import type { Network } from '../../network/bridge/network.js';

export const isNetwork = (value: object): value is Network => 'name' in value && 'driver' in value && 'inspect' in value;

export function isNamespace(value: unknown): value is Namespace {
  return typeof value === 'object' && value !== null && 'inode' in value;
}
