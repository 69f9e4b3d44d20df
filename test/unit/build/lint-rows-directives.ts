import type { LintRow } from './lint-row.js';

/** Descriptions, ports, and what the directive `check` skips or adds. */
export const DIRECTIVES: readonly LintRow[] = [
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
