import type { LintRow } from './lint-row.js';

/** Instructions that are there too often, platforms, secrets, ignored files. */
export const INSTRUCTIONS: readonly LintRow[] = [
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
];
