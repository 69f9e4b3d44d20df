import { testKills } from './kills.js';

testKills('all', ['node', 'nacelle-shim', 'nacelle-names', 'nacelle-relay', 'nacelle-connect']);
