// A cgroup for programs of the host: they are limited and counted, and confined by nothing else.
import { Cgroup } from 'nacelle';

await using group = await Cgroup.create('example', { memory: '64m', cpus: 0.5, pidsLimit: 16 });
console.log(`${await Cgroup.mode()}: ${group.controllers.join(', ')}`);

const programs: Record<string, string> = {
  modest: 'echo fine',
  greedy: 'x=$(head -c 200000000 /dev/zero | tr "\\0" x)',
  'fork bomb': 'for i in $(seq 100); do sleep 100 & done; wait',
  busy: 'while :; do :; done',
};
for (const [name, script] of Object.entries(programs)) {
  const { status, reason, usage } = await group.run(['sh', '-c', script], { timeout: 5000, cpuTimeLimit: 300 });
  console.log(`${name}: ${status} (${reason}), ${usage.cpuTimeMs.toFixed(0)} ms of CPU time`);
}

// Limits of a parent bind its children.
await using inner = await group.child('inner', { pidsLimit: 1000 });
const { stderr } = await inner.run(['sh', '-c', 'for i in $(seq 100); do sleep 100 & done; wait'], { timeout: 5000 });
console.log(`inner: ${stderr.trim().split('\n')[0]}`);

const { cpu, memory, pids } = await group.stats();
console.log({
  usageMs: cpu.usageMs,
  throttledPeriods: cpu.throttledPeriods,
  memoryPeak: memory?.peak,
  oomKills: memory?.oomKills,
  pidsPeak: pids?.peak,
});
