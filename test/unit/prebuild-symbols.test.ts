import { describe, expect, it } from 'vitest';
import { addonFaults, parseNeeded, parseSymbols } from '../../scripts/prebuild/symbols.mjs';

/** As readelf(1) prints it, of an addon that Debian 12's compiler made without `npm run prebuilds`. */
const table = `
Symbol table '.dynsym' contains 7 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     0: 0000000000000000     0 NOTYPE  LOCAL  DEFAULT  UND 
    10: 0000000000019010     0 SECTION LOCAL  DEFAULT   20 .data
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND fstat@GLIBC_2.33 (2)
     2: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND napi_throw
     3: 0000000000000000     0 NOTYPE  WEAK   DEFAULT  UND __gmon_start__
     4: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND fcntl64@GLIBC_2.28 (3)
     5: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND _Znwm@GLIBCXX_3.4 (5)
     6: 0000000000008c10   117 FUNC    GLOBAL DEFAULT   11 napi_register_module_v1
     7: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND read@GLIBC_2.2.5 (4)
`;
const dynamic = `
Dynamic section at offset 0x2a8 contains 28 entries:
  Tag        Type                         Name/Value
 0x0000000000000001 (NEEDED)             Shared library: [libstdc++.so.6]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x000000000000000c (INIT)               0x8000
`;
const musl = new Set(['fstat', 'read']);

describe('what a prebuilt addon may need', () => {
  it('names each library, version and function that it may not', () => {
    expect(addonFaults({ needed: parseNeeded(dynamic), symbols: parseSymbols(table) }, musl)).toEqual([
      'the addon needs the library libstdc++.so.6',
      'the addon needs fstat of GLIBC_2.33',
      'the addon needs _Znwm of GLIBCXX_3.4',
      'the addon needs fcntl64, which musl lacks',
      'the addon needs _Znwm, which musl lacks',
    ]);
  });

  it.each([
    ['GLIBC_2.28', []],
    ['GLIBC_2.4', []],
    ['GLIBC_2.29', ['the addon needs read of GLIBC_2.29']],
    ['GLIBC_3.0', ['the addon needs read of GLIBC_3.0']],
    ['GLIBC_PRIVATE', ['the addon needs read of GLIBC_PRIVATE']],
    ['', []],
  ])('read of %s', (version, faults) => {
    expect(addonFaults({ needed: [], symbols: [{ name: 'read', version, isUndefined: true, isWeak: false }] }, musl)).toEqual(faults);
  });

  it('may show nothing but what Node looks for', () => {
    const shown = ['napi_register_module_v1', 'node_api_module_get_api_version_v1', 'malloc'];
    const symbols = shown.map((name) => ({ name, version: '', isUndefined: false, isWeak: false }));
    expect(addonFaults({ needed: [], symbols }, musl)).toEqual(['the addon shows malloc to others']);
  });
});
