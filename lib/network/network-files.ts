import { join } from 'node:path';

// The files of a network by its folder, in whichever network namespace the bridge is: lib/network/bridge/network-folder.ts says what they are.

export function lockIn(folder: string): string {
  return join(folder, 'lock');
}

export function usesIn(folder: string): string {
  return join(folder, 'uses');
}

export function offersIn(folder: string): string {
  return join(folder, 'offers');
}

export function lastAddressIn(folder: string): string {
  return join(folder, 'last');
}

export function rulesIn(folder: string): string {
  return join(folder, 'rules');
}

export function macsIn(folder: string): string {
  return join(folder, 'macs');
}
