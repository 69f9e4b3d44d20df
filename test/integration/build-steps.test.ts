import { expect } from 'vitest';
import {
  add,
  arg,
  type BuildError,
  type BuildEvent,
  type BuildInstruction,
  type BuildOptions,
  build,
  cmd,
  copy,
  entrypoint,
  env,
  expose,
  healthcheck,
  Image,
  label,
  run,
  shell,
  stopSignal,
  user,
  volume,
  workdir,
} from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar'] });

describe('a build of steps', () => {
  const folder = temporaryFolder();
  useNewStore(folder);
  const context = buildContext(folder, {
    a: 'of a',
    "it's b": 'of b',
    'left out': 'x',
    'folder/c': 'of c',
    '.dockerignore': 'left*\n',
  });

  /** An instruction of a Dockerfile, and the step that is the same. */
  const SAME: readonly (readonly [string, BuildInstruction])[] = [
    ['ARG V=one', arg('V', 'one')],
    ['ENV A="it\'s $V" PATH=/opt/bin:$PATH', env({ A: "it's $V", PATH: '/opt/bin:$PATH' })],
    ['LABEL text="two words"', label({ text: 'two words' })],
    ['WORKDIR /w', workdir('/w')],
    ['COPY ["a", "it\\\\\'s b", "/to/"]', copy(['a', "it's b"], '/to/')],
    ['COPY --chown=1:2 --chmod=640 --exclude=c . all', copy('.', 'all', { chown: '1:2', chmod: '640', exclude: ['c'] })],
    ['COPY --from=given /etc/passwd /given', copy('/etc/passwd', '/given', { from: 'given' })],
    ['ADD --unpack=false folder/c /added', add('folder/c', '/added', { unpack: false })],
    ['RUN echo "$A" > text && cat /to/a >> text', run('echo "$A" > text && cat /to/a >> text')],
    ['RUN <<EOF\nset -e\nfor i in 1 2; do\n\techo $i >> text\ndone\nEOF', run('set -e\nfor i in 1 2; do\n\techo $i >> text\ndone')],
    ['RUN --mount=type=tmpfs,target=/t ["touch", "/t/x", "y"]', run(['touch', '/t/x', 'y'], { mounts: ['type=tmpfs,target=/t'] })],
    ['SHELL ["/bin/sh", "-ec"]', shell(['/bin/sh', '-ec'])],
    ['USER 12', user('12')],
    ['EXPOSE 80 53/udp', expose(80, '53/udp')],
    ['VOLUME /data', volume('/data')],
    ['STOPSIGNAL SIGQUIT', stopSignal('SIGQUIT')],
    ['HEALTHCHECK --interval=5s CMD test -e text', healthcheck('test -e text', { interval: 5000 })],
    ['ENTRYPOINT ["cat"]', entrypoint(['cat'])],
    ['CMD text', cmd('text')],
  ];

  async function options(): Promise<BuildOptions> {
    const base = await loadBusybox();
    await base.tag(BASE);
    return { context, contexts: { given: base }, pull: 'never' };
  }

  it('is the same image, by the same keys of the cache, as that of a Dockerfile', async () => {
    const common = await options();
    const content = [`FROM ${BASE}`, ...SAME.map(([written]) => written)].join('\n');
    const written = await build({ ...common, dockerfile: { content } });
    const stepped = await build({ ...common, from: BASE, steps: SAME.map(([, step]) => step) });
    expect(stepped.image.digest).toBe(written.image.digest);
    expect(stepped.steps.map(({ cached }) => cached)).toEqual(written.steps.map(({ cached }) => (cached === null ? null : true)));
    expect(stepped.steps.filter(({ cached }) => cached)).toHaveLength(8);
    // and the other way round: a Dockerfile finds what steps have made
    const again = await build({ ...common, from: BASE, steps: SAME.map(([, step]) => step), cache: false, sourceDateEpoch: 1 });
    const other = await build({ ...common, dockerfile: { content }, sourceDateEpoch: 1 });
    expect(other.image.digest).toBe(again.image.digest);
    expect(other.steps.every(({ cached }) => cached !== false)).toBe(true);
  });

  it('is on scratch by default, and finds what a name of contexts means', async () => {
    const { image } = await build({ ...(await options()), steps: [copy('a', '/')] });
    expect(image.layers).toHaveLength(1);
    const { image: onGiven } = await build({ ...(await options()), from: 'given', steps: [env({ A: 'b' })] });
    expect(onGiven.layers).toHaveLength((await Image.open(BASE)).layers.length);
  });

  it('tells of the step that fails, and its error can be debugged', async () => {
    const error: BuildError = await build({
      ...(await options()),
      from: BASE,
      steps: [env({ A: 'b' }), run('set -e\necho "$A" > /x'), run('echo failing; exit 3')],
    }).then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    expect(error).toMatchObject({
      ...{ name: 'BuildError', code: 'ERR_BUILD', file: 'steps[2]', instruction: 'RUN echo failing; exit 3', line: 7 },
      ...{
        result: { exitCode: 3 },
        message: expect.stringMatching(/^steps\[2\]: RUN has failed: .*\n[\s\S]*7 \| >>> RUN echo failing; exit 3\n/),
      },
    });
    await using container = await error.debug();
    expect((await container.exec(['cat', '/x'])).stdout).toBe('b\n');
  });

  it.each<[string, BuildOptions, object]>([
    ['a file is missing', { steps: [env({ A: 'b' }), copy('none', '/')] }, { code: 'ERR_DOCKERFILE', file: 'steps[1]', line: 3 }],
    ['links lead out', { steps: [copy('../../a', '/'), run('x', { mounts: ['type=tmp'] })] }, { code: 'ERR_DOCKERFILE', file: 'steps[1]' }],
    ['host is not allowed', { from: BASE, steps: [run('x', { network: 'host' })] }, { code: 'ERR_DOCKERFILE', file: 'steps[0]' }],
    ['a variable is wrong', { steps: [workdir('/'), workdir('${A')] }, { code: 'ERR_DOCKERFILE', file: 'steps[1]' }],
    [
      "a file of the context can't be read",
      { context: '/proc/self', steps: [copy('mem', '/')] },
      { code: 'ERR_BUILD', file: 'steps[0]', cause: { code: 'EIO' } },
    ],
    ['there is no such image', { from: 'test/none:1', steps: [] }, { file: 'from', line: 1 }],
  ])('names the step when %s', async (_, given, expected) => {
    const error = await build({ ...(await options()), ...given }).then(
      () => expect.unreachable(),
      (reason) => reason,
    );
    expect(error).toMatchObject({ name: 'BuildError', ...expected });
    const { file } = error;
    expect(error.message.startsWith(`${file}: `)).toBe(true);
  });

  it('warns of steps, and tells of them in its events', async () => {
    const events: BuildEvent[] = [];
    const { warnings } = await build({
      ...(await options()),
      ...{ from: BASE, steps: [workdir('relative'), env({ PASSWORD: 'x' })], onProgress: (event) => events.push(event) },
    });
    expect(warnings.map(({ rule, file }) => [rule, file])).toEqual(
      expect.arrayContaining([
        ['WorkdirRelativePath', 'steps[0]'],
        ['SecretsUsedInArgOrEnv', 'steps[1]'],
      ]),
    );
    expect(events.flatMap((event) => (event.type === 'step' ? [event.instruction] : []))).toEqual(['WORKDIR relative', 'ENV PASSWORD=x']);
    const checked = await build({ ...(await options()), from: BASE, steps: [workdir('relative')], check: true });
    expect(checked.warnings).toMatchObject([{ rule: 'WorkdirRelativePath', file: 'steps[0]', line: 2 }]);
  });
});
