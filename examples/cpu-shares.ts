// Two busy programs on one CPU, with shares of 1 : 3. Run: npm run examples -- cpu-shares
import { setTimeout } from 'node:timers/promises';
import { Cgroup, Container } from 'nacelle';

// On v2 shares become a weight that does not grow in line with them: docs/cgroups.md has the formula.
const v2 = (await Cgroup.mode()) === 'v2';
const shares = v2 ? [1024, 4096] : [1024, 3072];

const busy = ['sh', '-c', 'while :; do :; done'];
const containers = await Promise.all(
  shares.map((cpuShares) => Container.create({ image: 'host', command: busy, cpuShares, cpusetCpus: '0' })),
);
try {
  for (const container of containers) await container.start();
  const used = async (): Promise<number[]> => Promise.all(containers.map(async (container) => (await container.stats()).cpuTimeMs));

  const before = await used();
  let times = [0, 0];
  // counted in CPU time: how long that takes depends on what else the machine does
  while (times.reduce((sum, time) => sum + time) < 1000) {
    await setTimeout(50);
    times = (await used()).map((time, i) => time - (before[i] ?? 0));
  }

  const sum = times.reduce((all, time) => all + time);
  console.table(
    shares.map((cpuShares, i) => ({
      cpuShares,
      'CPU time (ms)': Math.round(times[i] ?? 0),
      'of all (%)': Math.round(((times[i] ?? 0) / sum) * 1000) / 10,
    })),
  );
  console.log(`1 : ${((times[1] ?? 0) / (times[0] ?? 1)).toFixed(2)}`);
} finally {
  for (const container of containers) await container.remove({ force: true });
}
