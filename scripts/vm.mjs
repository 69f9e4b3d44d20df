// Runs a command in the virtual machine of scripts/vm/, as root in the project's folder: npm run vm -- COMMAND…
import { prepare, quote, runInMachine } from './vm/machine.mjs';

const { kernel, reason } = prepare();
if (reason) console.error(`vm: ${reason}`);
process.exitCode = reason ? 1 : ((await runInMachine(kernel, process.argv.slice(2).map(quote).join(' '))) ?? 125);
