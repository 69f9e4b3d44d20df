import { testKills } from './command-kills.js';

testKills([
  ['created', 'delete', 'one'],
  ['running', 'delete', '--force', 'one'],
  ['paused', 'delete', '--force', 'one'],
]);
