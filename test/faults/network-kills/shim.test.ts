import { testKills } from './kills.js';

testKills('the shim', ['nacelle-shim']);
