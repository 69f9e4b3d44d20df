// Puts the results of files that passed when they were run again in the place of those in the first report, and prints what had failed.
import { readFileSync, writeFileSync } from 'node:fs';

const [target, again] = process.argv.slice(2);
const [first, second] = [target, again].map((path) => JSON.parse(readFileSync(path, 'utf8')));

const wrong = first.testResults.filter(({ status }) => status === 'failed');
for (const { name, message, assertionResults } of wrong) {
  if (message) console.log(`FLAKY ${name}\n${message}`);
  for (const test of assertionResults.filter((each) => each.status === 'failed'))
    console.log(`FLAKY ${name}: ${test.fullName}\n${test.failureMessages.join('\n').slice(0, 2000)}`);
}
const testResults = [...first.testResults.filter((file) => !wrong.includes(file)), ...second.testResults];
const count = (status) => testResults.flatMap((file) => file.assertionResults).filter((test) => test.status === status).length;
writeFileSync(target, JSON.stringify({ numPassedTests: count('passed'), numFailedTests: count('failed'), testResults }));
