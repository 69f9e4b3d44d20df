import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig, readProcess } from '../../../lib/runtime-cli/config/read-config.js';
import { specText } from '../../../lib/runtime-cli/runtime-texts.js';
import { temporaryFolder } from '../../fixtures/temporary.js';

const folder = temporaryFolder();
const newBundle = (): string => mkdtempSync(join(folder, 'bundle-'));
const refusal = (path: string) => expect.objectContaining({ code: 'ERR_INVALID_OPTION', message: `${path} is no regular file` });

describe('config.json and the file of a process', () => {
  it('are read of regular files', () => {
    const bundle = newBundle();
    const file = join(bundle, 'config.json');
    writeFileSync(file, specText());
    expect(readConfig(bundle, 'config.json').config.process?.args).toEqual(['sh']);
    const process = join(bundle, 'process.json');
    writeFileSync(process, JSON.stringify(JSON.parse(specText()).process));
    expect(readProcess(process, { mayWait: false }).args).toEqual(['sh']);
  });

  it.each([
    ['a named pipe, which nobody writes to', (path: string) => void execFileSync('mkfifo', [path])],
    ['a folder', (path: string) => void mkdirSync(path)],
  ])('are not waited for where they are %s', (_, make) => {
    const bundle = newBundle();
    const path = join(bundle, 'config.json');
    make(path);
    expect(() => readConfig(bundle, 'config.json')).toThrow(refusal(path));
    expect(() => readProcess(path, { mayWait: false })).toThrow(refusal(path));
  });

  it('of a process may be a pipe where nobody else waits', () => {
    const bundle = newBundle();
    const pipe = join(bundle, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const text = JSON.stringify(JSON.parse(specText()).process);
    const writer = spawn('sh', ['-c', `printf %s "$1" > "$2"`, 'sh', text, pipe], { stdio: 'ignore' });
    expect(readProcess(pipe, { mayWait: true }).args).toEqual(['sh']);
    writer.kill();
    expect(() => readProcess(bundle, { mayWait: true })).toThrow(refusal(bundle));
  });

  it('that are not there are told of by their paths', () => {
    const path = join(newBundle(), 'none.json');
    expect(() => readProcess(path, { mayWait: false })).toThrow(expect.objectContaining({ code: 'ENOENT', path }));
  });
});
