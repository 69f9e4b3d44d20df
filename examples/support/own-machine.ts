// Runs the example once more in a network namespace and a mount namespace of its own (unshare(1)), in which /run is empty: this machine gets no
// link of it, and no name in /run/netns. To be imported first.
import { runInside } from './run-inside.js';

runInside('unshare', '-nm', 'sh', '-c', 'mount -t tmpfs tmpfs /run && exec "$@"', 'sh');
