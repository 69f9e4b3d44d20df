import { testKills } from './command-kills.js';

testKills([
  ['created', 'start', 'one'],
  ['running', 'exec', 'one', 'busybox', 'sleep', '1000'],
  ['running', 'exec', '--detach', 'one', 'busybox', 'sleep', '1000'],
]);
