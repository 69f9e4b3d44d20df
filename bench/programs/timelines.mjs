// Runs containers one after the other: node timelines.mjs IMAGE COUNT. With NACELLE_TRACE=json their timelines are on standard error.
// Without a loader, as users run it.
import { Container } from '../../dist/index.js';

const [image, count] = process.argv.slice(2);
for (let i = 0; i < Number(count); i++) {
  await Container.run({ image, command: ['/bin/true'], memory: '256m', pidsLimit: 64 });
}
