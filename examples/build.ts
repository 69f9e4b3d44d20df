// An image from a Dockerfile, whose steps are shown as they go on, on a base that is made of this machine's own shell: nothing is pulled.
//   node --import tsx examples/build.ts
import { execFileSync, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, Container, Image } from 'nacelle';
import { showBuild } from './support/build-progress.js';

const libraries = execFileSync('ldd', ['/bin/sh'], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
const files = ['/bin/sh', ...libraries].map((path) => path.slice(1));
const archive = spawn('tar', ['-ch', '--owner=0', '--group=0', '-C', '/', ...files], { stdio: ['ignore', 'pipe', 'inherit'] });
const [base] = await Image.load(archive.stdout, { reference: 'example/base' });

const context = await mkdtemp(join(tmpdir(), 'context-'));
await writeFile(join(context, 'greet.sh'), 'read -r made < /made\necho "$made, $NAME"\n');
await writeFile(
  join(context, 'Dockerfile'),
  `FROM example/base AS make
ARG WORD=hello
RUN <<EOF
echo "making in $PWD"
echo "$WORD" > /made
EOF

FROM example/base
ENV NAME=you
COPY --from=make /made /
COPY greet.sh /
CMD ["sh", "/greet.sh"]
`,
);
const building = build({ context, tags: ['example/greet'], buildArgs: { WORD: 'good morning' } });
await showBuild(building);
const { image, warnings } = await building;
for (const { message } of warnings) console.warn(message);

const { stdout } = await Container.run({ image, reject: true });
console.log(`${image.reference}, ${image.layers.length} layers, says: ${stdout.trim()}`);

await image.remove();
await base?.remove();
await rm(context, { recursive: true });
