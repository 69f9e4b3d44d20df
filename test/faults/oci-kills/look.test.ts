import { testKills } from './command-kills.js';

testKills([
  ['running', 'state', 'one'],
  ['running', 'list'],
  ['running', 'ps', '--format', 'json', 'one'],
  ['running', 'events', '--stats', 'one'],
  ['running', 'events', '--interval', '10ms', 'one'],
  ['running', 'update', '--memory', '64M', '--pids-limit', '50', 'one'],
]);
