import { execFileSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readProfile } from '../../../../lib/security/oci-profile/read-profile.js';
import { temporaryFolder } from '../../../fixtures/temporary.js';

const folder = temporaryFolder();

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const refusal = (...parts: string[]) =>
  expect.objectContaining({
    code: 'ERR_INVALID_OPTION',
    message: expect.stringMatching(new RegExp(`^option seccomp: .*${parts.map(escaped).join('.*')}`)),
  });

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

describe('readProfile', () => {
  it("reads a profile in docker's form", async () => {
    const text = `{
      "defaultAction": "SCMP_ACT_ERRNO",
      "defaultErrnoRet": 1,
      "archMap": [{ "architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"] }],
      "syscalls": [
        {
          "names": ["personality"],
          "action": "SCMP_ACT_ALLOW",
          "args": [{ "index": 0, "value": 18446744073709551615, "op": "SCMP_CMP_EQ" }],
          "excludes": { "caps": ["CAP_SYS_ADMIN"] }
        }
      ]
    }`;
    expect(await readProfile(file('docker.json', text))).toMatchObject({
      defaultAction: { errno: 1 },
      archMap: { SCMP_ARCH_X86_64: ['SCMP_ARCH_X86'] },
      groups: [{ names: ['personality'], action: 'allow', args: [{ index: 0, op: 'EQ', value: 2n ** 64n - 1n }] }],
    });
  });

  it('checks the same text once, wherever it is', async () => {
    const text = '{"defaultAction": "SCMP_ACT_LOG"}';
    const [first, copy] = [await readProfile(file('one.json', text)), await readProfile(file('two.json', text))];
    expect(copy).toBe(first);
    expect(await readProfile(file('two.json', `${text} `))).not.toBe(first);
  });

  it.each([
    ['text that is no JSON', '{\n  "defaultAction":\n  oops\n}', ['.json, line 3 is no JSON from "o" on']],
    ['nothing', '', ['line 1 ends too early']],
    ['a list', '[]', ['line 1:', 'must be an object']],
    [
      'a wrong operator',
      '{"defaultAction": "SCMP_ACT_ERRNO",\n"syscalls": [\n{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [\n{"index": 0, "value": 1,\n"op": "SCMP_CMP_EQUAL"}]}]}',
      ['line 5: syscalls[0].args[0].op must be one of', "did you mean 'SCMP_CMP_EQ'?"],
    ],
    [
      'an unknown key and a missing one',
      '{"syscalls":\n[{"nmaes": [], "action": "SCMP_ACT_ALLOW"}]}',
      ['line 1: defaultAction', "line 2: syscalls[0].nmaes is unknown; did you mean 'names'?"],
    ],
    [
      'a value of 65 bits',
      '{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [\n{"index": 0, "value": 36893488147419103231, "op": "SCMP_CMP_EQ"}]}]}',
      ['line 2: syscalls[0].args[0].value must be', '2^64 - 1'],
    ],
    ['bytes that are no UTF-8', Uint8Array.of(0x22, 0xff, 0x22), ['is no UTF-8']],
    ['too many levels', '\n'.repeat(4) + '['.repeat(1000), ['line 5 is nested deeper than 100 levels']],
    [
      'a name that would let pass what is to be refused',
      '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [\n{"names": ["mount",\n"keyctrl"], "action": "SCMP_ACT_ERRNO"}]}',
      ['line 3: syscalls[0].names[1]', "did you mean 'keyctl'?"],
    ],
  ])('refuses %s', async (name, content, parts) => {
    await expect(readProfile(file(`${name.replaceAll(' ', '-')}.json`, content))).rejects.toThrow(refusal(...parts));
  });

  it('tells the first problems of many', async () => {
    const rules = Array.from({ length: 100 }, () => '{"names": ["read"], "action": "NO"}').join(',\n');
    const path = file('many.json', `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [\n${rules}]}`);
    const error: unknown = await readProfile(path).catch((error: unknown) => error);
    expect(String(error).match(/line \d+/g)).toEqual(Array.from({ length: 10 }, (_, index) => `line ${index + 2}`));
  });

  it("refuses what can't be had", async () => {
    await expect(readProfile(file('agent.json', '{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/agent.sock"}'))).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
  });

  it('refuses what is no regular file, or none at all', async () => {
    const [directory, pipe] = [join(folder, 'folder'), join(folder, 'pipe')];
    mkdirSync(directory);
    execFileSync('mkfifo', [pipe]);
    await expect(readProfile(directory)).rejects.toThrow(refusal('folder', 'is no regular file'));
    await expect(readProfile(pipe)).rejects.toThrow(refusal('pipe', 'is no regular file'));
    await expect(readProfile(join(folder, 'missing'))).rejects.toThrow(refusal('missing', 'ENOENT'));
    await expect(readProfile('unconfind')).rejects.toThrow(refusal("did you mean 'unconfined'?"));
    await expect(readProfile('/dev/zero')).rejects.toThrow(refusal('is no regular file'));
  });

  it('refuses more than 10 MiB', async () => {
    const path = file('long.json', ' ');
    truncateSync(path, 10 * 1024 ** 2 + 1);
    await expect(readProfile(path)).rejects.toThrow(refusal('more than 10485760 bytes'));
  });
});
