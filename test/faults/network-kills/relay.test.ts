import { testKills } from './kills.js';

testKills('the relay', ['nacelle-relay']);
