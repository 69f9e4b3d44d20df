import { testKills } from './kills.js';

testKills('Node', ['node']);
