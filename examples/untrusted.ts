// Strangers' code by one word: the defaults of a profile, and what is given beside it.
import { Container, type RunOptions, UnsupportedError } from 'nacelle';

const programs: Record<string, { script: string } & RunOptions> = {
  'does well': { script: 'read a b; echo $((a + b)) | tee sum', input: '40 2\n', copyOut: ['/tmp/sum'] },
  'looks around': { script: 'id -u; pwd; ls /sys/class/net; touch /etc/mine 2>&1' },
  'computes for ever': { script: 'while :; do :; done', cpuTimeLimit: 500 },
  'fills its disk': { script: 'head -c 1g /dev/zero > /tmp/file' },
  'takes all memory': { script: 'head -c 200m /dev/zero | tail', memory: '64m' },
  'forks for ever': { script: 'f() { f | f & }; f; sleep 1000', timeout: 1_000 },
  'writes for ever': { script: 'yes', maxBuffer: '1m' },
};

try {
  // Side by side: none of them can disturb the others.
  const results = await Promise.all(
    Object.entries(programs).map(async ([name, { script, ...given }]) => {
      const options: RunOptions = { profile: 'untrusted', image: 'host', command: ['sh', '-c', script], ...given };
      const { status, stdout } = await Container.run(options);
      return { program: name, status, 'begins with': stdout.slice(0, 60).replaceAll('\n', ' ') };
    }),
  );
  console.table(results);
  if (results[0]?.status !== 'ok' || results.slice(2).some(({ status }) => status === 'ok')) process.exitCode = 1;
} catch (error) {
  // Where memory can't be limited, or the image's owners can't be mapped, nothing has run. The message says what to do.
  if (!(error instanceof UnsupportedError)) throw error;
  console.log(error.message);
}
