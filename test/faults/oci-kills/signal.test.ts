import { testKills } from './command-kills.js';

testKills([
  ['running', 'kill', '--all', 'one', 'KILL'],
  ['running', 'kill', 'one', 'KILL'],
  ['running', 'pause', 'one'],
  ['paused', 'resume', 'one'],
]);
