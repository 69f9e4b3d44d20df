import { testKills } from './kills.js';

testKills('who answers about names', ['nacelle-names']);
