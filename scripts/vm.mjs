// Runs a command in the virtual machine of scripts/vm/, as root in the project's folder: npm run vm -- COMMAND…
import { missing, quote, runInMachine } from './vm/machine.mjs';

const reason = missing();
if (reason === null) {
  process.exitCode = (await runInMachine(process.argv.slice(2).map(quote).join(' '))) ?? 125;
} else {
  console.error(`vm: ${reason}`);
  process.exitCode = 1;
}
