import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { type BuildOptions, build, Container } from '../../lib/index.js';
import { buildContext } from '../fixtures/build-context.js';
import { loadBusybox } from '../fixtures/busybox-image.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { isRoot, requires } from '../fixtures/requires.js';
import { useNewStore } from '../fixtures/store.js';
import { temporaryFolder } from '../fixtures/temporary.js';

const BASE = 'test/busybox:1';
const TOOLS = ['busybox', 'tar', 'gzip'];

useLeakCheck();

const folder = temporaryFolder();
useNewStore(folder);

/** What RUN prints, and the build's result. */
async function told(lines: readonly string[], options: BuildOptions = {}) {
  await (await loadBusybox()).tag(BASE);
  const content = [`FROM ${BASE}`, ...lines].join('\n');
  const building = build({ context: buildContext(folder, {}), dockerfile: { content }, pull: 'never', ...options });
  const output: string[] = [];
  for await (const event of building) if (event.type === 'output') output.push(event.text);
  return { output: output.join('').trim(), ...(await building) };
}

const anyone = requires({ containers: true, tools: TOOLS });

anyone.describe('the time of RUN', () => {
  anyone.it('is limited, each RUN by itself, and what was before is there', async () => {
    const before = 'RUN echo before > /before';
    await told([before]);
    // the one that ends is not carried out under the clock
    const failing = told([before, 'RUN while :; do sleep 1000; done'], { timeout: 1000 });
    await expect(failing).rejects.toMatchObject({ code: 'ERR_BUILD', line: 3, result: { timedOut: true, status: 'timeout' } });
    expect(await Container.list()).toEqual([]);
  });
});

const limited = requires({ containers: true, groups: true, tools: TOOLS });

limited.describe('the processes of RUN', () => {
  limited.it('are limited', async () => {
    const line = 'RUN for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; wait';
    await expect(told([line], { pidsLimit: 5 })).rejects.toMatchObject({
      code: 'ERR_BUILD',
      message: expect.stringMatching(/\| .*can't fork/),
    });
  });
});

anyone.describe('RUN --security=insecure', () => {
  anyone.it('has all capabilities and no filter where that is allowed, and is another step than one that has not', async () => {
    const line = 'grep -E "^CapEff|^Seccomp:" /proc/self/status; grep -c " /proc/sys " /proc/self/mountinfo || true';
    const lines = [`RUN --security=insecure ${line}`, `RUN ${line}`];
    const { output, steps } = await told(lines, { allow: ['security.insecure'] });
    const [own, filter, readOnly, ...sandbox] = output.split('\n').map((text) => text.replace(/^.*:\t/, ''));
    const [held, outer] = ['CapEff', 'Seccomp'].map(
      (name) => new RegExp(`^${name}:\\t(.*)$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1],
    );
    if (isRoot) expect(own).toBe(held);
    expect([filter, readOnly]).toEqual([outer, '0']);
    expect(sandbox).toEqual([expect.not.stringMatching(`^${own}$`), '2', '1']);
    expect(steps.map(({ cached }) => cached)).toEqual([false, false]);
    // on the same files as the first one
    const plain = await told([`RUN ${line}`], { allow: ['security.insecure'] });
    const again = await told(lines, { allow: ['security.insecure'] });
    expect([plain, again].map((result) => result.steps.map(({ cached }) => cached))).toEqual([[false], [true, true]]);
  });
});

const asRoot = requires({ root: true, tools: TOOLS });

asRoot.describe('userns of RUN', () => {
  asRoot.it("'auto': root is an ordinary id outside, and the layer is the same", async () => {
    const lines = ['RUN touch /r /u && chown 12:34 /u && rm /bin/cat && cat /proc/self/uid_map', 'USER 7', 'WORKDIR /w', 'RUN touch /w/f'];
    const options = { sourceDateEpoch: 1_600_000_000, cache: false };
    const [own, host] = [await told(lines, { ...options, userns: 'auto' }), await told(lines, options)];
    expect(host.output).toBe(readFileSync('/proc/self/uid_map', 'utf8').trim());
    const [inside, outside] = own.output.split(/ +/).map(Number);
    expect([inside, (outside ?? 0) > 65_535]).toEqual([0, true]);
    expect(own.image.digest).toBe(host.image.digest);
    const { stdout } = await Container.run({
      image: own.image,
      entrypoint: ['/bin/sh'],
      command: ['-c', "stat -c '%u:%g' /r /u /w/f; ls /bin/cat 2>/dev/null || echo gone"],
      reject: true,
    });
    expect(stdout).toBe('0:0\n12:34\n7:0\ngone\n');
  });
});
