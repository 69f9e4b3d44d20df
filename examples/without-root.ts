// An image of the store, for any user: what a shell needs, in an archive as a registry's layer would be.
//   node --import tsx examples/without-root.ts
import { execFileSync, spawn } from 'node:child_process';
import { Container, features, Image } from 'nacelle';

const { rootless } = await features();
console.log(rootless.available ? 'containers work' : `${rootless.reason}. ${rootless.fix ?? ''}`);

const libraries = execFileSync('ldd', ['/bin/sh'], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
const files = ['/bin/sh', ...libraries].map((path) => path.slice(1));
// without subordinate ids all files of an image must be root's
const archive = spawn('tar', ['-ch', '--owner=0', '--group=0', '-C', '/', ...files], { stdio: ['ignore', 'pipe', 'inherit'] });
const [image] = await Image.load(archive.stdout, { reference: 'example/sh' });
if (!image) throw new Error('nothing was loaded');

const container = await Container.create({
  image,
  command: ['sh', '-c', 'echo "root inside: $(read -r map < /proc/self/uid_map; echo $map)"; > /made'],
});
await container.start();
const { stdout, status } = await container.wait();
process.stdout.write(stdout);
console.log(status);

// what it changed, as the layer of another image
for await (const { kind, path } of container.changes()) console.log(kind, path);
const made = await Image.commit(container, { reference: 'example/made' });
console.log(made.layers.length, 'layers');
await container.remove();

await made.remove();
await image.remove();
