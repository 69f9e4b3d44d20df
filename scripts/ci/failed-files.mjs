// Prints the test files in which something failed, one a line, from the JSON report named by the argument; nothing without a report.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { root } from '../shared.mjs';

const text = existsSync(process.argv[2]) ? readFileSync(process.argv[2], 'utf8') : '';
const results = text === '' ? [] : JSON.parse(text).testResults;
const failed = results.filter(({ status }) => status === 'failed').map(({ name }) => relative(root, name));
for (const file of new Set(failed)) console.log(file);
