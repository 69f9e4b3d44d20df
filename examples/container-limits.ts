// What a judge of programs does: run what nobody has read, under limits, and say how it ended and why.
import { Container, type RunOptions } from 'nacelle';

const limits = { memory: '64m', pidsLimit: 16, cpus: 1, cpuTimeLimit: 500, timeout: 2_000, maxBuffer: '1m' } satisfies RunOptions;

const programs: Record<string, string> = {
  'does well': 'echo 42',
  'gives up': 'exit 3',
  'computes for ever': 'while :; do :; done',
  'sleeps for ever': 'sleep 1000',
  'takes all memory': 'head -c 200m /dev/zero | tail',
  'writes for ever': 'yes',
  'leaves a daemon': '(setsid sleep 1000 &); sleep 1000',
};

// Side by side: none of them can disturb the others.
const results = await Promise.all(
  Object.entries(programs).map(async ([name, script]) => {
    const { status, reason, usage } = await Container.run({ image: 'host', command: ['sh', '-c', script], user: 'nobody', ...limits });
    return { program: name, status, reason, 'CPU ms': Math.round(usage.cpuTimeMs) };
  }),
);
console.table(results);
