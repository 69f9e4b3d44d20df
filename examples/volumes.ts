// Volumes: data that outlives containers, is shared by them, and travels as a tar.
import { Container, Volume } from 'nacelle';

const name = `example-${process.pid}`;
const volume = await Volume.create(name, { labels: { example: 'volumes' } });
try {
  const shell = (script: string, target: string) =>
    Container.run({ image: 'host', command: ['sh', '-c', script], volumes: [`${name}:${target}:nocopy`], reject: true });

  await shell('echo "a note" > /notes/today', '/notes');
  const { stdout } = await shell('cat /other/place/today', '/other/place');
  process.stdout.write(`another container reads ${stdout}`);

  // A copy: the tar of the one is what fills the other.
  const copy = await Volume.create(`${name}-copy`);
  await copy.import(await volume.export());
  console.log((await Volume.list()).filter((info) => info.name.startsWith(name)).map((info) => info.name));
  await copy.remove();

  // While a container uses it, a volume stays.
  await using container = await Container.create({ image: 'host', command: ['true'], volumes: [`${name}:/notes:ro,nocopy`] });
  await volume.remove().catch((error: unknown) => console.log(`${container.id.slice(0, 12)} uses it: ${error}`));
} finally {
  await volume.remove();
}
