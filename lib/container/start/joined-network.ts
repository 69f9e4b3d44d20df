import type { ParsedOptions } from '../options/container-options.js';

/** Does some work with the options in which another container's network is a namespace to join. @throws what the work throws; SyscallError */
export async function withNetwork<T>(options: ParsedOptions, work: (joined: ParsedOptions) => Promise<T>): Promise<T> {
  const network = await options.networkOf?.namespace('net');
  try {
    return await work(network ? { ...options, namespaces: { ...options.namespaces, net: network } } : options);
  } finally {
    await network?.close();
  }
}
