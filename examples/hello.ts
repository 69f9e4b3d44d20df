// Hello: three programs in containers made of this machine's own root, copy-on-write.
//   npm run hello      (on Linux, as any user)
import { existsSync, readFileSync } from 'node:fs';
import { Container, type RunResult, UnsupportedError } from 'nacelle';

async function run(...command: string[]): Promise<RunResult> {
  console.log(`\n$ ${command.join(' ')}`);
  const result = await Container.run({ image: 'host', command });
  process.stdout.write(result.stdout);
  process.stderr.write(result.stderr);
  // Without what is told above, and without what has its own lines below.
  const { stdout, stderr, files, usage, command: _, ...rest } = result;
  console.log(rest);
  console.log(
    `set up in ${result.setupMs.toFixed(1)} ms, ran for ${result.durationMs.toFixed(1)} ms, ${usage.cpuTimeMs.toFixed(1)} ms of CPU time`,
  );
  return result;
}

try {
  await run('echo', 'Hello World');

  // It sees itself alone, as process 1. Small systems have no ps.
  if (existsSync('/bin/ps')) await run('ps', '-ef');
  else await run('sh', '-c', 'exec grep Name: /proc/[0-9]*/status /dev/null');

  // What it removes is removed for itself.
  const before = readFileSync('/etc/passwd', 'utf8');
  await run('sh', '-c', 'rm /etc/passwd && ls /etc/passwd');
  const untouched = readFileSync('/etc/passwd', 'utf8') === before;
  console.log(`\nThe host's /etc/passwd is ${untouched ? 'untouched' : 'CHANGED'}.`);
  if (!untouched) process.exitCode = 1;
} catch (error) {
  if (!(error instanceof UnsupportedError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
