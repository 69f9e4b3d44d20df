import { fstatSync, statSync } from 'node:fs';
import { attempt } from '../../native/system-errors.js';
import type { ParsedOptions } from '../options/container-options.js';

/** Does some work with the options in which another container's network is a namespace to join. @throws what the work throws; SyscallError */
export async function withNetwork<T>(options: ParsedOptions, work: (joined: ParsedOptions) => Promise<T>): Promise<T> {
  const network = await options.networkOf?.namespace('net');
  try {
    if (!network) return await work(options);
    const net = isOwn(network) ? 'host' : network;
    return await work({ ...options, namespaces: { ...options.namespaces, net }, sharedNetworks: options.networkOf?.networks ?? [] });
  } finally {
    await network?.close();
  }
}

/** Whether the other container has the network of this process, which not everybody may join. */
function isOwn({ fd }: { readonly fd: number }): boolean {
  return attempt("look at this process's network", () => fstatSync(fd).ino === statSync('/proc/self/ns/net').ino);
}
