/** The flags before the command, which are read before it is loaded too. */
export const globalFlags: Readonly<Record<string, 'switch' | 'value'>> = {
  ...{ root: 'value', log: 'value', 'log-format': 'value', debug: 'switch' },
  ...{ 'systemd-cgroup': 'switch', 'cgroup-manager': 'value', rootless: 'value', version: 'switch', help: 'switch' },
};
