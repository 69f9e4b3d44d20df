import type { LintRow } from './lint-row.js';

/** How instructions and stages are written, and what a stage needs: casing, names, arguments of FROM, relative paths. */
export const CASING_AND_PATHS: readonly LintRow[] = [
  {
    text: 'FROM test/base:1 AS Foo',
    found: ["1 StageNameCasing: Stage name 'Foo' should be lowercase"],
  },
  {
    text: 'from test/base:1 AS foo',
    found: ["1 FromAsCasing: 'AS' and 'from' keywords' casing do not match"],
  },
  {
    text: 'FROM test/base:1 as foo',
    found: ["1 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"],
  },
  {
    text: 'From test/base:1 as foo\nRUN a',
    found: ["1 ConsistentInstructionCasing: Command 'From' should match the case of the command majority (uppercase)"],
  },
  {
    text: 'FROM test/base:1 As foo',
    found: ["1 FromAsCasing: 'As' and 'FROM' keywords' casing do not match"],
  },
  {
    text: 'FROM test/base:1\nrun a\nRUN b',
    found: ["2 ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)"],
  },
  {
    text: 'from test/base:1\nrun a\nRUN b',
    found: ["3 ConsistentInstructionCasing: Command 'RUN' should match the case of the command majority (lowercase)"],
  },
  {
    text: 'FROM test/base:1\nRun a\nENV a=1',
    found: ["2 ConsistentInstructionCasing: Command 'Run' should match the case of the command majority (uppercase)"],
  },
  {
    text: 'FROM test/base:1\nrun a',
    found: ["2 ConsistentInstructionCasing: Command 'run' should match the case of the command majority (uppercase)"],
  },
  {
    text: 'From test/base:1\nrUn a',
    found: [
      "1 ConsistentInstructionCasing: Command 'From' should match the case of the command majority (uppercase)",
      "2 ConsistentInstructionCasing: Command 'rUn' should match the case of the command majority (uppercase)",
    ],
  },
  {
    text: 'arg a=1\narg b=1\narg c=1\nFROM test/base:1\nRUN a',
    found: [],
  },
  {
    text: 'FROM test/base:1\nONBUILD run a\nonbuild RUN a',
    found: ["3 ConsistentInstructionCasing: Command 'onbuild' should match the case of the command majority (uppercase)"],
  },
  {
    text: 'from test/base:1\nrun a\nrun b\nFROM scratch\nCOPY a /',
    found: [
      "4 ConsistentInstructionCasing: Command 'FROM' should match the case of the command majority (lowercase)",
      "5 ConsistentInstructionCasing: Command 'COPY' should match the case of the command majority (lowercase)",
    ],
  },
  {
    text: 'FROM test/base:1 AS a\nFROM test/base:1 AS b\nFROM test/base:1 AS A\nFROM test/base:1 AS a',
    found: [
      "3 StageNameCasing: Stage name 'A' should be lowercase",
      '3 DuplicateStageName: Duplicate stage name "a", stage names should be unique',
      '4 DuplicateStageName: Duplicate stage name "a", stage names should be unique',
    ],
  },
  {
    text: 'FROM test/base:1 AS scratch\nFROM test/base:1 AS context',
    found: [
      '1 ReservedStageName: Stage name should not use the same name as reserved stage "scratch"',
      '2 ReservedStageName: Stage name should not use the same name as reserved stage "context"',
    ],
  },
  {
    text: 'FROM test/base:1 AS Scratch',
    found: [
      "1 StageNameCasing: Stage name 'Scratch' should be lowercase",
      '1 ReservedStageName: Stage name should not use the same name as reserved stage "scratch"',
    ],
  },
  {
    text: 'FROM test/base:1\nCMD a b\nENTRYPOINT c',
    found: [
      '2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
      '3 JSONArgsRecommended: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals',
    ],
  },
  {
    text: 'FROM test/base:1\nSHELL ["/bin/sh","-c"]\nCMD a b\nENTRYPOINT c',
    found: [],
  },
  {
    text: 'FROM test/base:1\nCMD a b\nSHELL ["/bin/sh","-c"]',
    found: ['2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals'],
  },
  {
    text: 'FROM test/base:1 AS a\nSHELL ["/bin/sh","-c"]\nFROM a\nCMD a b',
    found: [],
  },
  {
    text: 'FROM test/base:1\nCMD',
    found: ['2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals'],
  },
  {
    text: 'FROM test/base:1\nCMD []',
    found: [],
  },
  {
    text: "FROM test/base:1\nCMD ['a']",
    found: ['2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals'],
  },
  {
    text: 'FROM test/base:1\nHEALTHCHECK CMD a b',
    found: [],
  },
  {
    text: 'FROM test/base:1\nONBUILD CMD a b',
    found: [],
  },
  {
    text: 'FROM test/base:1\nMAINTAINER me',
    found: ['2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label'],
  },
  {
    text: 'FROM test/base:1\nMAINTAINER me\nFROM test/base:1',
    found: ['2 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label'],
  },
  {
    text: 'FROM ${A:-test/base:1}',
    found: ["1 UndefinedArgInFrom: FROM argument 'A' is not declared"],
  },
  {
    text: 'ARG VERSION=1\nFROM test/base:${VERSON:-1}',
    found: ["2 UndefinedArgInFrom: FROM argument 'VERSON' is not declared (did you mean VERSION?)"],
  },
  {
    text: 'FROM ${T:-test/base:1} AS a\nARG T=1\nFROM a',
    found: ["1 UndefinedArgInFrom: FROM argument 'T' is not declared"],
  },
  {
    text: 'ARG A\nFROM test/base:${A:-1}',
    found: [],
  },
  {
    text: 'FROM test/base:1\nWORKDIR a\nWORKDIR b',
    found: ['2 WorkdirRelativePath: Relative workdir "a" can have unexpected results if the base image changes'],
  },
  {
    text: 'FROM test/base:1\nWORKDIR /a\nWORKDIR b',
    found: [],
  },
  {
    text: 'FROM test/base:1 AS a\nWORKDIR /a\nFROM a\nWORKDIR b',
    found: [],
  },
  {
    text: 'FROM test/base:1 AS a\nWORKDIR a\nFROM a\nWORKDIR b',
    found: ['2 WorkdirRelativePath: Relative workdir "a" can have unexpected results if the base image changes'],
  },
  {
    text: 'FROM test/base:1\nARG D=/x\nWORKDIR $D/y',
    found: [],
  },
  {
    text: 'FROM test/base:1\nARG D=x\nWORKDIR $D/y',
    found: ['3 WorkdirRelativePath: Relative workdir "x/y" can have unexpected results if the base image changes'],
  },
  {
    text: 'FROM test/base:1\nWORKDIR "/a b"',
    found: [],
  },
];
