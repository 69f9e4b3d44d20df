// Prints the name and the message of every test that failed, from the JSON reports named by the arguments.
import { existsSync, readFileSync } from 'node:fs';

for (const report of process.argv.slice(2).filter((path) => existsSync(path))) {
  for (const file of JSON.parse(readFileSync(report, 'utf8')).testResults) {
    if (file.message) console.log(`FAILED ${file.name}\n${file.message}`);
    for (const test of file.assertionResults.filter((each) => each.status === 'failed')) {
      console.log(`FAILED ${file.name}: ${test.fullName}`);
      for (const message of test.failureMessages) console.log(message.slice(0, 4000));
    }
  }
}
