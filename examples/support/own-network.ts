// Runs the example once more in a network namespace of its own (unshare(1)), so that this machine gets no bridge of it, with the loopback up as
// everywhere. To be imported first. The bridges of an ordinary user are in a namespace of the user's anyway.
import { runInside } from './run-inside.js';

if (process.getuid?.() === 0) runInside('unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh');
