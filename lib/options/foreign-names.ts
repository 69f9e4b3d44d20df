/** Our names for options, by the names that docker, compose, OCI, execa and node:child_process have for them, in small letters alone. */
const names: Readonly<Record<string, string>> = {
  args: 'command',
  binds: 'volumes',
  bind: 'mounts',
  cancel: 'cancelSignal',
  capabilities: 'capAdd',
  cmd: 'command',
  cpu: 'cpus',
  cpuset: 'cpusetCpus',
  dir: 'cwd',
  environ: 'env',
  environment: 'env',
  limit: 'limits',
  mem: 'memory',
  memlimit: 'memory',
  net: 'network',
  networkmode: 'network',
  nprocs: 'pidsLimit',
  readonlyrootfs: 'readOnly',
  securityopt: 'seccomp',
  signal: 'cancelSignal',
  timelimit: 'timeout',
  uid: 'user',
  workdir: 'cwd',
  workingdir: 'cwd',
  workingdirectory: 'cwd',
};

/** Our name for an option of another tool; `undefined` for a name that no other tool has. */
export function ownNameOf(name: string): string | undefined {
  const plain = name.toLowerCase().replaceAll(/[-_]/g, '');
  return Object.hasOwn(names, plain) ? names[plain] : undefined;
}
