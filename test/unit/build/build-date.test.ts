import { expect, test } from 'vitest';
import { buildDate, withDateArg } from '../../../lib/build/execute/build-date.js';
import { parseBuildOptions } from '../../../lib/build/execute/build-options.js';
import { parseDockerfile } from '../../../lib/build/language/dockerfile.js';
import { globalScope } from '../../../lib/build/language/scopes.js';

interface Given {
  readonly option?: number;
  readonly arg?: string;
  readonly environment?: string;
  readonly text?: string;
}

/** The date of a build, and what an ARG of a stage would have. */
function dateOf({ option, arg, environment, text = '' }: Given): [number | null, string | undefined] {
  const buildArgs = arg === undefined ? {} : { SOURCE_DATE_EPOCH: arg };
  const options = withDateArg(parseBuildOptions({ sourceDateEpoch: option, buildArgs }), { SOURCE_DATE_EPOCH: environment });
  const file = parseDockerfile(`${text}\nFROM scratch`);
  const globals = globalScope(file.globals, { automatic: new Map(), args: options.buildArgs, escaper: '\\' });
  return [buildDate(options, file, globals), options.buildArgs.SOURCE_DATE_EPOCH];
}

test.each<[Given, [number | null, string | undefined]]>([
  [{}, [null, undefined]],
  [{ option: 1 }, [1, '1']],
  [{ arg: '2' }, [2, '2']],
  [{ environment: '3' }, [3, '3']],
  [{ text: 'ARG SOURCE_DATE_EPOCH=4' }, [4, undefined]],
  [{ text: 'ARG DAY=86400\nARG A=b SOURCE_DATE_EPOCH=${DAY}' }, [86_400, undefined]],
  [{ text: 'ARG SOURCE_DATE_EPOCH' }, [null, undefined]],
  [{ option: 1, arg: '2', environment: '3', text: 'ARG SOURCE_DATE_EPOCH=4' }, [1, '2']],
  [{ arg: '2', environment: '3', text: 'ARG SOURCE_DATE_EPOCH=4' }, [2, '2']],
  [{ environment: '3', text: 'ARG SOURCE_DATE_EPOCH=4' }, [3, '3']],
  // '' is none, as docker's client has it
  [{ arg: '', environment: '3', text: 'ARG SOURCE_DATE_EPOCH=4' }, [null, '']],
  [{ environment: '' }, [null, undefined]],
  [{ option: 0 }, [0, '0']],
])('%j', (given, expected) => {
  expect(dateOf(given)).toEqual(expected);
});

test.each<[Given, string]>([
  [{ arg: 'yesterday' }, 'option buildArgs.SOURCE_DATE_EPOCH: must be seconds since 1970, not "yesterday"'],
  [{ environment: '-1' }, 'SOURCE_DATE_EPOCH: must be seconds since 1970, not "-1"'],
  [{ text: 'ARG SOURCE_DATE_EPOCH=1.5' }, 'SOURCE_DATE_EPOCH must be seconds since 1970, not "1.5"'],
  [{ arg: '123456789012' }, 'must be seconds'],
])('refuses %j', (given, message) => {
  expect(() => dateOf(given)).toThrow(message);
});
