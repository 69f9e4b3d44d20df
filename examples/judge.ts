// An online judge: many submissions of strangers, each in a container of its own that was made before the submission came. A first argument is how many.
import { Container } from 'nacelle';

const count = Number(process.argv[2] ?? 100);
const AT_ONCE = 4;

/** What strangers hand in: programs that should add two numbers. */
const handedIn = [
  'read a b; echo $((a + b))',
  'read a b; echo $((a * b))',
  'while :; do :; done',
  'yes | head -c 100000',
  'echo x > /answer; cat /answer /proc/1/environ',
];
const submissions = Array.from({ length: count }, (_, i) => handedIn[i % handedIn.length] ?? '');

await using judges = await Container.pool(
  // the profile has what strangers' code must not do, and limits, without which a program may use up the machine: here some are lower
  { profile: 'untrusted', image: 'host', command: ['sh', '/submission'], memory: '64m', pidsLimit: 16 },
  { ready: AT_ONCE },
);

async function judge(program: string): Promise<string> {
  const copyIn = { '/submission': program };
  const { status, stdout } = await judges.run({ copyIn, input: '30 12\n', cpuTimeLimit: 200, timeout: 10_000, maxBuffer: 1000 });
  if (status !== 'ok') return status;
  return stdout === '42\n' ? 'accepted' : 'wrong answer';
}

const verdicts: Record<string, number> = {};
const from = performance.now();
const lane = async (): Promise<void> => {
  for (let program = submissions.pop(); program !== undefined; program = submissions.pop()) {
    const verdict = await judge(program);
    verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
  }
};
await Promise.all(Array.from({ length: AT_ONCE }, lane));
console.table(verdicts);
console.log(`${count} submissions in ${Math.round(performance.now() - from)} ms`);
