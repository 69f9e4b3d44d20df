/**
 * Dockerfiles and what is found in them: on `test/base:1`, an image that has PATH alone, `test/shell:1` with SHELL and IMGVAR, and `test/trig:1`
 * with ONBUILD. The comparison with BuildKit (test/engines/buildkit/compare.ts) tries these rows too.
 */
export interface LintRow {
  readonly text: string;
  /** 'LINE RULE: MESSAGE', by line. */
  readonly found: readonly string[];
  readonly args?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** The ignore file. */
  readonly ignore?: string;
  /** Where BuildKit says something else: why. */
  readonly differs?: string;
}

export const LINT_ROWS: readonly LintRow[] = [
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
  {
    text: 'FROM test/base:1\nENV A=$B C=${D}',
    found: ["2 UndefinedVar: Usage of undefined variable '$B'", "2 UndefinedVar: Usage of undefined variable '$D'"],
  },
  {
    text: 'FROM test/base:1\nENV A=$B$B C=$B',
    found: ["2 UndefinedVar: Usage of undefined variable '$B'", "2 UndefinedVar: Usage of undefined variable '$B'"],
  },
  {
    text: 'FROM test/base:1\nENV A=${B:-x} C=${D-x} E=${F:+x} G=${H+x}',
    found: [
      "2 UndefinedVar: Usage of undefined variable '$B'",
      "2 UndefinedVar: Usage of undefined variable '$D'",
      "2 UndefinedVar: Usage of undefined variable '$F'",
      "2 UndefinedVar: Usage of undefined variable '$H'",
    ],
  },
  {
    text: 'FROM test/base:1\nENV A=$A',
    found: ["2 UndefinedVar: Usage of undefined variable '$A'"],
  },
  {
    text: 'FROM test/base:1\nENV A=1 B=$A',
    found: ["2 UndefinedVar: Usage of undefined variable '$A'"],
  },
  {
    text: 'FROM test/base:1\nENV PATH=$PATH:/x',
    found: [],
  },
  {
    text: 'FROM scratch\nENV PATH=$PATH:/x',
    found: [],
  },
  {
    text: 'FROM test/base:1\nARG FOOBAR=1\nENV A=$FOBAR B=$PAHT',
    found: [
      "3 UndefinedVar: Usage of undefined variable '$FOBAR' (did you mean $FOOBAR?)",
      "3 UndefinedVar: Usage of undefined variable '$PAHT' (did you mean $PATH?)",
    ],
  },
  {
    text: 'FROM test/base:1\nRUN echo $X\nCMD ["$X"]',
    found: [],
  },
  {
    text: 'FROM test/base:1\nCOPY $X$Y /$Z/',
    found: [
      "2 UndefinedVar: Usage of undefined variable '$X'",
      "2 UndefinedVar: Usage of undefined variable '$Y'",
      "2 UndefinedVar: Usage of undefined variable '$Z'",
    ],
  },
  {
    text: 'FROM test/base:1\nCOPY --chown=$U --chmod=$M a /',
    found: ["2 UndefinedVar: Usage of undefined variable '$U'", "2 UndefinedVar: Usage of undefined variable '$M'"],
  },
  {
    text: 'FROM test/base:1\nADD $X /',
    found: ["2 UndefinedVar: Usage of undefined variable '$X'"],
  },
  {
    text: 'FROM test/base:1\nCOPY <<E /x\n$X\nE',
    found: ["2 UndefinedVar: Usage of undefined variable '$X'"],
  },
  {
    text: 'FROM test/base:1\nLABEL a=$X $Y=b',
    found: ["2 UndefinedVar: Usage of undefined variable '$X'", "2 UndefinedVar: Usage of undefined variable '$Y'"],
  },
  {
    text: 'FROM test/base:1\nUSER $X',
    found: ["2 UndefinedVar: Usage of undefined variable '$X'"],
  },
  {
    text: 'FROM test/base:1\nEXPOSE $X 80',
    found: [],
  },
  {
    text: 'FROM test/base:1\nVOLUME /$X',
    found: ["2 UndefinedVar: Usage of undefined variable '$X'"],
  },
  {
    text: 'FROM test/base:1\nSTOPSIGNAL ${X:-9}',
    found: ["2 UndefinedVar: Usage of undefined variable '$X'"],
  },
  {
    text: 'FROM test/base:1\nWORKDIR /$X',
    found: ["2 UndefinedVar: Usage of undefined variable '$X'"],
  },
  {
    text: 'FROM test/base:1\nARG A=$B',
    found: ["2 UndefinedVar: Usage of undefined variable '$B'"],
  },
  {
    text: 'FROM test/base:1\nARG A\nENV B=$A',
    found: [],
  },
  {
    text: 'ARG V=1\nFROM test/base:1\nENV B=$V',
    found: ["3 UndefinedVar: Usage of undefined variable '$V'"],
  },
  {
    text: 'ARG V=1\nFROM test/base:1\nARG V\nENV B=$V',
    found: [],
  },
  {
    text: 'FROM test/base:1\nENV B=$TARGETARCH',
    found: ["2 UndefinedVar: Usage of undefined variable '$TARGETARCH'"],
  },
  {
    text: 'FROM test/base:1\nARG TARGETARCH\nENV B=$TARGETARCH',
    found: [],
  },
  {
    text: 'FROM test/base:1\nENV B=$HTTP_PROXY',
    found: ["2 UndefinedVar: Usage of undefined variable '$HTTP_PROXY'"],
  },
  {
    text: 'FROM test/base:1 AS a\nARG V=1\nFROM a\nENV B=$V',
    found: [],
  },
  {
    text: 'FROM test/base:1\nCOPY --exclude=$X . /a',
    found: [],
  },
  {
    text: "FROM test/base:1\nENV A=\\$B C='$D'",
    found: [],
  },
  {
    text: 'FROM test/base:1\nENV A=$GIVEN',
    args: { GIVEN: '1' },
    found: ["2 UndefinedVar: Usage of undefined variable '$GIVEN'"],
  },
  {
    text: 'FROM test/base:1\nHEALTHCHECK CMD $X',
    found: [],
  },
  {
    text: 'FROM test/base:1\nONBUILD ENV A=$X',
    found: [],
  },
  {
    text: 'FROM test/base:1\nSHELL ["$X"]',
    found: [],
  },
  {
    text: 'FROM test/base:1 AS a\nENV A=$B\nFROM test/base:1',
    found: ["2 UndefinedVar: Usage of undefined variable '$B'"],
  },
  {
    text: 'FROM test/base:1 AS a\nENV A=$B\nFROM test/base:1 AS b',
    target: 'b',
    found: [],
  },
  {
    text: 'FROM test/base:1\nCMD ["a"]\nCMD ["b"]\nCMD ["c"]',
    found: [
      '2 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used',
      '3 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used',
    ],
  },
  {
    text: 'FROM test/base:1\nENTRYPOINT ["a"]\nENTRYPOINT ["b"]',
    found: [
      '2 MultipleInstructionsDisallowed: Multiple ENTRYPOINT instructions should not be used in the same stage because only the last one will be used',
    ],
  },
  {
    text: 'FROM test/base:1\nHEALTHCHECK NONE\nHEALTHCHECK CMD ["b"]',
    found: [
      '2 MultipleInstructionsDisallowed: Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used',
    ],
  },
  {
    text: 'FROM test/base:1 AS a\nCMD ["a"]\nFROM a\nCMD ["a"]',
    found: [],
  },
  {
    text: 'FROM test/base:1\nONBUILD CMD ["a"]\nONBUILD CMD ["b"]',
    found: [],
  },
  {
    text: 'FROM test/base:1\nCMD a\nCMD b',
    found: [
      '2 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
      '2 MultipleInstructionsDisallowed: Multiple CMD instructions should not be used in the same stage because only the last one will be used',
      '3 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
    ],
  },
  {
    text: 'FROM test/base:1\nENV A b c\nLABEL X y',
    found: [
      '2 LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format',
      '3 LegacyKeyValueFormat: "LABEL key=value" should be used instead of legacy "LABEL key value" format',
    ],
  },
  {
    text: 'FROM test/base:1\nONBUILD ENV A b c',
    found: [],
  },
  {
    text: 'FROM --platform=$TARGETPLATFORM test/base:1',
    found: [
      '1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    ],
  },
  {
    text: 'FROM --platform=${TARGETPLATFORM} test/base:1',
    found: [
      '1 RedundantTargetPlatform: Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is the default behavior',
    ],
  },
  {
    text: 'FROM --platform=$TARGETOS/$TARGETARCH test/base:1',
    found: [],
  },
  {
    text: 'FROM --platform=${TARGETPLATFORM:-linux/amd64} test/base:1',
    found: [
      '1 RedundantTargetPlatform: Setting platform to predefined ${TARGETPLATFORM:-linux/amd64} in FROM is redundant as this is the default behavior',
    ],
  },
  {
    text: 'FROM --platform=$TARGETPLATFORM scratch',
    found: [
      '1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    ],
  },
  {
    text: 'FROM --platform=$BUILDPLATFORM test/base:1',
    found: [],
  },
  {
    text: 'FROM --platform=linux/amd64 test/base:1',
    found: ['1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"'],
  },
  {
    text: 'FROM --platform="linux/amd64" test/base:1',
    found: ['1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"'],
  },
  {
    text: 'FROM --platform=linux/amd64 test/base:1 AS build_amd64',
    found: [],
  },
  {
    text: 'FROM --platform=linux/amd64 test/base:1 AS on_linux',
    found: [],
  },
  {
    text: 'FROM --platform=linux/amd64 test/base:1 AS build_arm64',
    found: ['1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"'],
  },
  {
    text: 'FROM test/base:1 AS a\nFROM --platform=linux/amd64 a',
    found: ['2 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"'],
  },
  {
    text: 'FROM --platform=linux/amd64 scratch',
    found: ['1 FromPlatformFlagConstDisallowed: FROM --platform flag should not use constant value "linux/amd64"'],
  },
  {
    text: 'ARG P=linux/amd64\nFROM --platform=$P test/base:1',
    found: [],
  },
  {
    text: 'FROM test/base:1\nARG MY_TOKEN=1 PASSWORD\nENV AWS_SECRET_ACCESS_KEY=1 API_KEY= PUBLIC_KEY=1 KEYBOARD=1 secretA=1 GIT_auth=1',
    found: [
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "MY_TOKEN")',
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "PASSWORD")',
      '3 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "AWS_SECRET_ACCESS_KEY")',
      '3 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "API_KEY")',
      '3 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "GIT_auth")',
    ],
  },
  {
    text: 'FROM test/base:1\nENV A_APIKEY=1 CREDENTIAL=1 CREDENTIALS=1 PASSWD=1 PWORD=1 PASS=1 PWD2=1 AUTHOR=1 TOKENS=1 SECRETS=1 PRIVATE_KEY_FILE=1 KEY=1 X_KEYS=1 TOKEN_PATH=1 PASSPHRASE=1 MY_PUBLIC_TOKEN=1 ACCESSTOKEN=1',
    found: [
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "A_APIKEY")',
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "CREDENTIAL")',
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "CREDENTIALS")',
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "PASSWD")',
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "PWORD")',
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "PRIVATE_KEY_FILE")',
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "KEY")',
      '2 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "TOKEN_PATH")',
    ],
  },
  {
    text: 'ARG TOKEN=1\nFROM test/base:1',
    found: [],
  },
  {
    text: 'ARG TOKEN=1\nFROM test/base:1\nARG TOKEN',
    found: ['3 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ARG "TOKEN")'],
  },
  {
    text: 'FROM test/base:1\nLABEL TOKEN=1',
    found: [],
  },
  {
    text: 'FROM test/base:1\nONBUILD ENV TOKEN=1',
    found: [],
  },
  {
    text: 'FROM test/base:1\nENV my-token=1 "my.key"=1',
    found: [],
  },
  {
    text: 'ARG A\nFROM $A',
    args: { A: 'test/base:1' },
    found: ['2 InvalidDefaultArgInFrom: Default value for ARG $A results in empty or invalid base image name'],
  },
  {
    text: 'ARG A=Bad:::\nFROM ${A}',
    args: { A: 'test/base:1' },
    found: ['2 InvalidDefaultArgInFrom: Default value for ARG ${A} results in empty or invalid base image name'],
  },
  {
    text: 'ARG A=base\nFROM test/$A:1',
    args: { A: 'base' },
    found: [],
  },
  {
    text: 'ARG A\nFROM test/base:$A',
    args: { A: '1' },
    found: ['2 InvalidDefaultArgInFrom: Default value for ARG test/base:$A results in empty or invalid base image name'],
  },
  {
    text: 'ARG A\nFROM test/base:${A:-1}',
    found: [],
  },
  {
    text: '# check=experimental=all\nFROM test/base:1\nCOPY x.log dir/y.txt /d/\nCOPY dir /d\nADD x.log /e\nCOPY *.log /f/\nCOPY . /',
    ignore: '*.log\ndir/*\n!dir/keep',
    found: [
      '3 CopyIgnoredFile: Attempting to Copy file "x.log" that is excluded by .dockerignore',
      '3 CopyIgnoredFile: Attempting to Copy file "dir/y.txt" that is excluded by .dockerignore',
      '5 CopyIgnoredFile: Attempting to Add file "x.log" that is excluded by .dockerignore',
      '6 CopyIgnoredFile: Attempting to Copy file "*.log" that is excluded by .dockerignore',
    ],
  },
  {
    text: 'FROM test/base:1\nCOPY x.log /d/',
    ignore: '*.log',
    found: [],
  },
  {
    text: '# check=experimental=CopyIgnoredFile\nFROM test/base:1 AS a\nFROM a\nCOPY --from=a x.log /d/\nCOPY ./sub/../x.log /x\nCOPY /x.log /x',
    ignore: '*.log',
    differs: "BuildKit doesn't clean the path, and is silent",
    found: [
      '5 CopyIgnoredFile: Attempting to Copy file "./sub/../x.log" that is excluded by .dockerignore',
      '6 CopyIgnoredFile: Attempting to Copy file "/x.log" that is excluded by .dockerignore',
    ],
  },
  {
    text: '# check=experimental=all\nFROM test/base:1\nADD http://a/b.log /d/',
    ignore: '**',
    found: [],
  },
  {
    text: '# check=experimental=all\nFROM test/base:1\nCOPY . /d/\nCOPY a /\nCOPY dir/ /',
    ignore: '*',
    found: [
      '3 CopyIgnoredFile: Attempting to Copy file "." that is excluded by .dockerignore',
      '4 CopyIgnoredFile: Attempting to Copy file "a" that is excluded by .dockerignore',
      '5 CopyIgnoredFile: Attempting to Copy file "dir/" that is excluded by .dockerignore',
    ],
  },
  {
    text: '# check=experimental=all\n# bla\nFROM test/base:1 AS foo\n# bar is\nARG foo=1\n# foo is\nARG foo=2\n# x\nENV a=1\n# nope\n\nARG z=1\n# a\n#\nARG y=1\n# q\nARG m=1 n=1\n# n is\nARG m=1 n=1',
    differs: 'an empty line ends a description, as the text of the rule has it',
    found: [
      '3 InvalidDefinitionDescription: Comment for FROM should follow the format: `# foo <description>`',
      '5 InvalidDefinitionDescription: Comment for ARG should follow the format: `# foo <description>`',
      '17 InvalidDefinitionDescription: Comment for ARG should follow the format: `# <arg_key> <description>`',
    ],
  },
  {
    text: '# check=experimental=InvalidDefinitionDescription\n# version is\nARG version=1\n# bla\nFROM test/base:1\n# something\nFROM test/base:1 AS Foo\n# Foo it is\nFROM test/base:1 AS Foo',
    found: [
      "7 StageNameCasing: Stage name 'Foo' should be lowercase",
      '7 InvalidDefinitionDescription: Comment for FROM should follow the format: `# foo <description>`',
      "9 StageNameCasing: Stage name 'Foo' should be lowercase",
      '9 InvalidDefinitionDescription: Comment for FROM should follow the format: `# foo <description>`',
      '9 DuplicateStageName: Duplicate stage name "foo", stage names should be unique',
    ],
  },
  {
    text: '# check=experimental=InvalidDefinitionDescription\n\n# bla\nARG version=1\n# one\n# version two\nARG version=1\n# version two\n# three\nARG version=1\n# version\nARG version=1\n#version x\nARG version=1\nFROM test/base:1',
    found: [
      '4 InvalidDefinitionDescription: Comment for ARG should follow the format: `# version <description>`',
      '10 InvalidDefinitionDescription: Comment for ARG should follow the format: `# version <description>`',
    ],
  },
  {
    text: '# bla\n\n# bla\nFROM test/base:1 AS foo',
    found: [],
  },
  {
    text: 'FROM test/base:1\nEXPOSE 80/TCP 81/Udp 82/udp 90-91/TCP',
    found: [
      "2 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase",
      "2 ExposeProtoCasing: Defined protocol '81/Udp' in EXPOSE instruction should be lowercase",
      "2 ExposeProtoCasing: Defined protocol '90-91/TCP' in EXPOSE instruction should be lowercase",
    ],
  },
  {
    text: 'FROM test/base:1\nEXPOSE 127.0.0.1:80:80 8080:80',
    found: [
      "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'",
      "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '8080:80'",
    ],
  },
  {
    text: 'FROM test/base:1\nEXPOSE [::1]:80:80',
    found: ["2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '[::1]:80:80'"],
  },
  {
    text: 'FROM test/base:1\nARG P=80/TCP\nEXPOSE $P',
    found: ["3 ExposeProtoCasing: Defined protocol '80/TCP' in EXPOSE instruction should be lowercase"],
  },
  {
    text: 'FROM test/base:1\nEXPOSE 8080:80/TCP',
    found: [
      "2 ExposeProtoCasing: Defined protocol '8080:80/TCP' in EXPOSE instruction should be lowercase",
      "2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '8080:80/TCP'",
    ],
  },
  {
    text: 'FROM test/base:1\nRUN a \\\n\n  b \\\n\n  c',
    found: ['6 NoEmptyContinuation: Empty continuation line'],
  },
  {
    text: 'FROM test/base:1\nRUN a \\\n# c\n  b',
    found: [],
  },
  {
    text: '# check=skip=StageNameCasing,MaintainerDeprecated\nFROM test/base:1 AS Foo\nMAINTAINER me\nCMD a',
    found: ['4 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals'],
  },
  {
    text: '# check=skip=all\nFROM test/base:1 AS Foo\nMAINTAINER me\nCMD a',
    found: [],
  },
  {
    text: '# check=skip=JSONArgsRecommended;error=true\nFROM test/base:1 AS Foo\nCMD a',
    found: ["2 StageNameCasing: Stage name 'Foo' should be lowercase"],
  },
  {
    text: '# check=skip=Nope\nFROM test/base:1 AS Foo',
    found: ["2 StageNameCasing: Stage name 'Foo' should be lowercase"],
  },
  {
    text: '# check=skip=stagenamecasing\nFROM test/base:1 AS Foo',
    found: ["2 StageNameCasing: Stage name 'Foo' should be lowercase"],
  },
  {
    text: '# check=skip=StageNameCasing;error=true;experimental=all\nFROM test/base:1 AS Foo',
    found: [],
  },
  {
    text: '# check=skip=StageNameCasing\n\nFROM test/base:1 AS Foo\n# check=skip=JSONArgsRecommended\nCMD a',
    found: ['5 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals'],
  },
  {
    text: '# check=experimental=nope\n# bla\nFROM test/base:1 AS foo',
    found: [],
  },
  {
    text: 'FROM test/shell:1\nCMD a',
    found: [],
  },
  {
    text: 'FROM test/shell:1\nENV X=$IMGVAR Y=$TRIG Z=$TARG',
    found: ["2 UndefinedVar: Usage of undefined variable '$TRIG'", "2 UndefinedVar: Usage of undefined variable '$TARG'"],
  },
  {
    text: 'FROM test/trig:1\nENV A=$TARG B=$TENV',
    found: [
      "1 UndefinedVar: Usage of undefined variable '$UNDEF'",
      '1 JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals',
      '1 WorkdirRelativePath: Relative workdir "rel" can have unexpected results if the base image changes',
    ],
  },
  {
    text: '# check=experimental=CopyIgnoredFile,InvalidDefinitionDescription\n# bla\nFROM test/base:1 AS foo',
    found: ['3 InvalidDefinitionDescription: Comment for FROM should follow the format: `# foo <description>`'],
  },
  {
    text: '# check=skip=StageNameCasing, FromAsCasing\nFROM test/base:1 as Foo',
    differs: 'blanks between names are allowed',
    found: [],
  },
  {
    text: '# check=error=true\nFROM test/base:1\nMAINTAINER a',
    found: ['3 MaintainerDeprecated: Maintainer instruction is deprecated in favor of using label'],
  },
  {
    text: '# check=skip=\nFROM test/base:1 as Foo',
    found: ["2 StageNameCasing: Stage name 'Foo' should be lowercase", "2 FromAsCasing: 'as' and 'FROM' keywords' casing do not match"],
  },
  {
    text: 'FROM test/base:1\nARG N=TOKEN\nENV MY_$N=1',
    found: ['3 SecretsUsedInArgOrEnv: Do not use ARG or ENV instructions for sensitive data (ENV "MY_TOKEN")'],
  },
  {
    text: 'FROM test/base:1\nRUN --mount=type=bind,source=$X,target=/a true',
    found: ["2 UndefinedVar: Usage of undefined variable '$X'"],
  },
  {
    text: 'FROM test/base:1\nRUN --mount=type=cache,id=$X,target=/a true',
    found: ["2 UndefinedVar: Usage of undefined variable '$X'"],
  },
  {
    text: 'FROM test/base:1\nENV A $B',
    found: [
      "2 UndefinedVar: Usage of undefined variable '$B'",
      '2 LegacyKeyValueFormat: "ENV key=value" should be used instead of legacy "ENV key value" format',
    ],
  },
  {
    text: 'FROM test/base:1\nADD --checksum=$X http://a/b /',
    found: ["2 UndefinedVar: Usage of undefined variable '$X'"],
  },
  {
    text: 'FROM test/base:1\nRUN a \\\n\n  b\nRUN c \\\n\n  d',
    found: ['4 NoEmptyContinuation: Empty continuation line', '7 NoEmptyContinuation: Empty continuation line'],
  },
  {
    text: 'FROM --platform=$TARGETPLATFORM test/base:1',
    args: { TARGETPLATFORM: 'linux/arm64' },
    found: [
      '1 RedundantTargetPlatform: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
      '1 InvalidBaseImagePlatform: Base image test/base:1 was pulled with platform "linux/amd64", expected "linux/arm64" for current build',
    ],
    differs: 'a base for another platform than FROM asks for is an error',
  },
  {
    text: 'FROM --platform=linux/amd64 test/base:1 AS x-amd64-y',
    found: [],
  },
  {
    text: 'FROM test/base:1\nARG VERSION\nENV A=$VERSIONNUMBER',
    found: ["3 UndefinedVar: Usage of undefined variable '$VERSIONNUMBER'"],
  },
  {
    text: 'FROM test/base:1\nARG VERSION=1\nENV A=$VERSON',
    found: ["3 UndefinedVar: Usage of undefined variable '$VERSON' (did you mean $VERSION?)"],
  },
  {
    text: 'FROM test/base:1\nARG VERSION=1\nENV A=$version',
    differs: 'the suggestion knows both cases',
    found: ["3 UndefinedVar: Usage of undefined variable '$version' (did you mean $VERSION?)"],
  },
  {
    text: 'FROM test/base:1\nWORKDIR .',
    found: ['2 WorkdirRelativePath: Relative workdir "." can have unexpected results if the base image changes'],
  },
  {
    text: 'FROM test/base:1\nWORKDIR ${X:-}',
    found: [
      "2 UndefinedVar: Usage of undefined variable '$X'",
      '2 WorkdirRelativePath: Relative workdir "" can have unexpected results if the base image changes',
    ],
  },
  {
    text: 'FROM test/shell:1\nWORKDIR b',
    found: ['2 WorkdirRelativePath: Relative workdir "b" can have unexpected results if the base image changes'],
  },
  {
    text: 'FROM test/base:1\nEXPOSE 8000-8001:80-81',
    found: ["2 ExposeInvalidFormat: EXPOSE instruction should not define an IP address or host-port mapping, found '8000-8001:80-81'"],
  },
  {
    text: 'FROM test/base:1\nEXPOSE $X',
    found: [],
  },
];
