import { testKills } from './command-kills.js';

testKills([
  ['nothing', 'create', '--bundle', 'BUNDLE', 'one'],
  ['nothing', 'run', '--detach', '--bundle', 'BUNDLE', 'one'],
  ['nothing', 'run', '--bundle', 'BUNDLE', 'one'],
]);
