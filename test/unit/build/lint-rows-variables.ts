import type { LintRow } from './lint-row.js';

/** Variables that no instruction has defined. */
export const VARIABLES: readonly LintRow[] = [
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
];
