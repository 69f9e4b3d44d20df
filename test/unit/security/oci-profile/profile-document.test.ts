import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseOptions } from '../../../../lib/options/parse-options.js';
import { capabilityNames } from '../../../../lib/plan/capability-names.js';
import { defaultCapabilities } from '../../../../lib/security/capabilities.js';
import { compiledProfile } from '../../../../lib/security/oci-profile/compiled-profile.js';
import { defaultDocument, profileDocument } from '../../../../lib/security/oci-profile/profile-document.js';
import { profileField } from '../../../../lib/security/oci-profile/profile-field.js';
import type { SeccompProfile } from '../../../../lib/security/oci-profile/profile-types.js';
import { compileDefault } from '../../../../lib/security/seccomp.js';
import { type Abi, syscallTable } from '../../../../lib/security/syscalls/tables.js';
import { audit, runFilter, x32Bit } from '../interpreter.js';
import { calls, profileOf, word } from './profile-model.js';

const parsed = (profile: SeccompProfile) => parseOptions(profileField.schema(), profile, 'seccomp');

/** Values of an argument that the default filter's rules are about, near them, and with bits above. */
const about = [0, 1, 2, 8, 0x80, 38, 39, 40, 41, 1023, 1024, 1025, 0x5411, 0x5412, 0x541c, 0x2_0008, 0x7e02_0000, 0x0200_0000, 0x1000_0000];
const values = fc.oneof(
  fc
    .constantFrom(...about, 0xffff_ffff, 0xffff_fffe)
    .chain((low) => fc.constantFrom(BigInt(low), BigInt(low) | (1n << 32n), BigInt(low) | (1n << 63n))),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);
const capabilities = fc.oneof(
  fc.constant(defaultCapabilities),
  fc.bigInt({ min: 0n, max: (1n << BigInt(capabilityNames.length)) - 1n }),
  fc.constantFrom(...capabilityNames).map((name) => 1n << BigInt(capabilityNames.indexOf(name))),
);
const doors: readonly { readonly arch: 'x86_64' | 'arm64'; readonly abi: Abi; readonly bit: number }[] = [
  { arch: 'x86_64', abi: 'x86_64', bit: 0 },
  { arch: 'x86_64', abi: 'x86_64', bit: x32Bit },
  { arch: 'x86_64', abi: 'i386', bit: 0 },
  { arch: 'arm64', abi: 'arm64', bit: 0 },
];

describe('the default filter as a document of OCI', () => {
  it.each(doors)('decides on every call of $abi ($bit) as the filter itself does', ({ arch, abi, bit }) => {
    const numbers = [...new Set([...syscallTable(abi).values()].flat()), 400, 470, 1000];
    fc.assert(
      fc.property(
        capabilities,
        fc.array(fc.array(values, { minLength: 3, maxLength: 3 }), { minLength: 12, maxLength: 12 }),
        (mask, asked) => {
          const own = compileDefault({ arch, capabilities: mask });
          const written = compiledProfile(parsed(defaultDocument({ arch, capabilities: mask })), {
            arch,
            capabilities: mask,
            kernel: '6.1.0',
          });
          for (const nr of numbers) {
            for (const args of asked) {
              const call = { arch: audit[abi], nr: nr | bit, args };
              const { verdict, asksArguments } = runFilter(own, call);
              const other = runFilter(written.filter, call);
              if (other.verdict !== verdict) throw new Error(`${nr} ${args}: ${other.verdict.toString(16)}, not ${verdict.toString(16)}`);
              if (!asksArguments && !other.asksArguments) break;
            }
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('is plain numbers, and has no condition of docker', () => {
    const document = defaultDocument({ arch: 'x86_64', capabilities: defaultCapabilities });
    expect(document).toEqual(JSON.parse(JSON.stringify(document)));
    expect(document).toMatchObject({ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 1 });
    expect(document.architectures).toEqual(['SCMP_ARCH_X86_64', 'SCMP_ARCH_X32', 'SCMP_ARCH_X86']);
    expect(document.syscalls?.some(({ includes, excludes }) => includes || excludes)).toBe(false);
    expect(document.syscalls?.find(({ names }) => names?.includes('clone3'))).toEqual({
      names: ['clone3'],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: 38,
    });
  });
});

describe('a profile as a document of OCI', () => {
  it('holds as the profile does, and is itself when it is read and written again', () => {
    const subject = { arch: 'x86_64', capabilities: defaultCapabilities, kernel: '6.1.0' } as const;
    const asked = fc.record({ name: fc.constantFrom(...calls), args: fc.tuple(word, word, word) });
    fc.assert(
      fc.property(profileOf({ isPlain: false, tests: 2 }), fc.array(asked, { minLength: 20, maxLength: 20 }), (random, asked) => {
        const given = parsed(random);
        const written = profileDocument(given, subject);
        expect(profileDocument(parsed(written), subject)).toEqual(written);
        const [mine, theirs] = [given, parsed(written)].map((profile) => compiledProfile(profile, subject).filter);
        for (const { name, args } of asked) {
          for (const nr of syscallTable('x86_64').get(name) ?? []) {
            const call = { arch: audit.x86_64, nr, args };
            expect(runFilter(theirs ?? new Uint8Array(), call).verdict).toBe(runFilter(mine ?? new Uint8Array(), call).verdict);
          }
        }
      }),
    );
  });

  it('has what docker says by conditions, as far as it holds, and numbers beyond 2^53', () => {
    const document = profileDocument(
      parsed({
        defaultAction: 'SCMP_ACT_ERRNO',
        defaultErrno: 'ENOSYS',
        archMap: [
          { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
          { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
        ],
        flags: ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_TSYNC'],
        syscalls: [
          {
            names: ['read'],
            action: 'SCMP_ACT_ALLOW',
            args: [{ index: 1, op: 'SCMP_CMP_MASKED_EQ', value: 2n ** 63n, valueTwo: 2n ** 63n }],
          },
          { names: ['chroot'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['SYS_CHROOT'] } },
          { names: ['bpf'], action: 'SCMP_ACT_ALLOW', includes: { caps: ['BPF'] } },
        ],
      }),
      { arch: 'x86_64', capabilities: defaultCapabilities, kernel: '6.1.0' },
    );
    expect(document).toEqual({
      defaultAction: 'SCMP_ACT_ERRNO',
      defaultErrnoRet: 38,
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      syscalls: [
        {
          names: ['read'],
          action: 'SCMP_ACT_ALLOW',
          args: [{ index: 1, op: 'SCMP_CMP_MASKED_EQ', value: 2n ** 63n, valueTwo: 2n ** 63n }],
        },
        { names: ['chroot'], action: 'SCMP_ACT_ALLOW' },
      ],
    });
  });
});
