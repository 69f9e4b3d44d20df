import { testKills } from './kills.js';

testKills('who connects for the relay', ['nacelle-connect']);
