import { expect } from 'vitest';
import { type BuildWarning, build, Image } from '../../lib/index.js';
import { BASE, dockerfile, useBuilds } from '../fixtures/builds.js';
import { useLeakCheck } from '../fixtures/leaks.js';
import { requires } from '../fixtures/requires.js';

useLeakCheck();
const { describe, it } = requires({ containers: true, tools: ['busybox', 'tar', 'gzip'] });

describe('build: warnings', () => {
  const { context, base } = useBuilds();

  it('warns of empty lines within an instruction', async () => {
    const { warnings } = await build({ context: context({ a: '' }), ...dockerfile('FROM scratch\nCOPY a \\\n\n  /b') });
    expect(warnings).toEqual([{ rule: 'NoEmptyContinuation', message: 'Empty continuation line', file: 'Dockerfile', line: 4 }]);
  });

  it('warns of what is probably not meant, by what the base has', async () => {
    await base();
    const first = await build({
      context: context({}),
      ...dockerfile(`FROM ${BASE}\nSHELL ["/bin/sh", "-ec"]\nENV OF_BASE=1\nONBUILD WORKDIR app\nLABEL a=$OF_BAS`),
      tags: ['test/warned-base'],
    });
    const rules = (warnings: readonly BuildWarning[]): string[] => warnings.map(({ rule, line }) => `${line} ${rule}`);
    expect(rules(first.warnings)).toEqual(['5 UndefinedVar']);
    expect(first.warnings[0]?.message).toContain("'$OF_BAS' (did you mean $OF_BASE?)");
    const text = 'FROM test/warned-base AS unused\nLABEL b=$NONE\nFROM test/warned-base\nLABEL a=$OF_BASE b=$NONE\nCMD echo';
    expect(rules((await build({ context: context({}), ...dockerfile(text) })).warnings)).toEqual([
      '3 WorkdirRelativePath',
      '4 UndefinedVar',
    ]);
    expect(rules((await build({ context: context({}), ...dockerfile(text), check: true })).warnings)).toEqual([
      '1 WorkdirRelativePath',
      '2 UndefinedVar',
      '3 WorkdirRelativePath',
      '4 UndefinedVar',
    ]);
    expect(rules((await build({ context: context({}), ...dockerfile(text), check: true, target: 'unused' })).warnings)).toEqual([
      '1 WorkdirRelativePath',
      '2 UndefinedVar',
    ]);
  });

  it('check: true builds nothing, and warnings are errors where the file says so', async () => {
    await base();
    const before = await Image.list();
    const text = `# check=skip=UndefinedVar;error=true\nFROM ${BASE}\nRUN false $NONE\nCMD echo $NONE`;
    const checked = await build({ context: context({}), ...dockerfile(text), check: true, tags: ['test/checked'] });
    const message = 'JSON arguments recommended for CMD to prevent unintended behavior related to OS signals';
    expect(checked).toEqual({ warnings: [{ rule: 'JSONArgsRecommended', message, file: 'Dockerfile', line: 4 }] });
    const steps: string[] = [];
    await expect(
      build({ context: context({}), ...dockerfile(text), onProgress: ({ type }) => void steps.push(type) }),
    ).rejects.toMatchObject({
      name: 'BuildError',
      code: 'ERR_DOCKERFILE',
      line: 4,
      message: expect.stringContaining(`JSONArgsRecommended: ${message}`),
    });
    expect(steps).toEqual([]);
    expect(await Image.list()).toEqual(before);
    await expect(build({ context: context({}), ...dockerfile('FROM test/none:1\nCMD a'), check: true })).rejects.toMatchObject({
      name: 'BuildError',
      line: 1,
      cause: { name: 'ImageError' },
    });
    await expect(build({ context: context({}), ...dockerfile('# check=nope\nFROM scratch'), check: true })).rejects.toMatchObject({
      code: 'ERR_DOCKERFILE',
      line: 1,
    });
  });

  it('warns of files that the ignore file leaves out, where the file asks for that', async () => {
    const path = context({ a: '', 'b.log': '', '.dockerignore': '*.log' });
    const text = 'FROM scratch\nCOPY a *.log /';
    expect((await build({ context: path, ...dockerfile(text) })).warnings).toEqual([]);
    expect((await build({ context: path, ...dockerfile(`# check=experimental=all\n${text}`) })).warnings).toEqual([
      {
        rule: 'CopyIgnoredFile',
        message: 'Attempting to Copy file "*.log" that is excluded by .dockerignore',
        file: 'Dockerfile',
        line: 3,
      },
    ]);
  });
});
