// What `npm run hello` runs: builds, saying what takes its time, then runs the example.
import { run } from './shared.mjs';

const npm = (script) => ['npm', ['run', '--silent', script]];
const steps = [
  ['compile the addon and the shim, as far as they have changed', ...npm('build:native')],
  ['bundle the library and its types; on a small machine that takes half a minute', ...npm('build:lib')],
  ['run examples/hello.ts', process.execPath, ['--import', 'tsx', 'examples/hello.ts']],
];

for (const [index, [what, command, args]] of steps.entries()) {
  console.log(`${index + 1}/${steps.length}: ${what} …`);
  if (run(command, args)) continue;
  process.exitCode = 1;
  break;
}
