// Runs the example once more in a network namespace of its own (unshare(1)), so that this machine gets no bridge of it, with the loopback up as
// everywhere. To be imported first.
import { runInside } from './run-inside.js';

runInside('unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh');
