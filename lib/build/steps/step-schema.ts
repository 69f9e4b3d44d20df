import * as z from 'zod';
import { text } from '../../options/common-schemas.js';
import type { BuildInstruction } from './step-types.js';
import { isPlainText } from './written-words.js';

const word = text.min(1);
/** What a Dockerfile can write in one line alone. */
const line = text.refine((value) => !value.includes('\n'), 'must not contain a newline, which a Dockerfile has no way to write here');
const full = line.min(1);
/** What has no variables, and is written as it is. */
const bare = z.string().regex(/^(?!--)[^\s\0"'\\$<]+$/u, "must be a word, without blanks, quotes, '\\', '$' and '<'");
const name = bare.refine((value) => !value.includes('='), "must not contain '='");
const words = z.array(text);

/** The image that the steps are on, or a name of `contexts`. */
export const fromSchema = bare;

/** @param before the words that stand before the command's in a Dockerfile */
function command(before: string) {
  const lineForShell = word.refine(
    (value) => isPlainText(before, value),
    "can't be written as one line for a shell: give it as words, ['/bin/sh', '-c', …]",
  );
  return z.union([lineForShell, words]);
}

function pairs(what: string) {
  return z.record(name, line).refine((value) => Object.keys(value).length > 0, `must have a ${what} at least`);
}

const transfer = {
  sources: z.array(word).min(1),
  target: word,
  chown: full.optional(),
  chmod: full.optional(),
  link: z.boolean().optional(),
  exclude: z.array(full).optional(),
};
const time = z.number().min(1).max(2_147_483_647).optional();

export const stepsSchema = z.array(
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('arg'), name, value: line.optional() }),
    z.strictObject({ kind: z.literal('env'), variables: pairs('variable') }),
    z.strictObject({ kind: z.literal('label'), labels: pairs('label') }),
    z.strictObject({
      kind: z.literal('run'),
      command: z.union([word, words.min(1)]),
      mounts: z.array(full).optional(),
      network: z.enum(['default', 'none', 'host']).optional(),
    }),
    z.strictObject({ kind: z.literal('copy'), ...transfer, from: bare.optional(), parents: z.boolean().optional() }),
    z.strictObject({ kind: z.literal('add'), ...transfer, checksum: bare.optional(), unpack: z.boolean().optional() }),
    z.strictObject({ kind: z.literal('workdir'), path: full }),
    z.strictObject({ kind: z.literal('user'), user: full }),
    z.strictObject({ kind: z.literal('cmd'), command: command('CMD') }),
    z.strictObject({ kind: z.literal('entrypoint'), command: command('ENTRYPOINT') }),
    z.strictObject({ kind: z.literal('shell'), words: words.min(1) }),
    z.strictObject({ kind: z.literal('expose'), ports: z.array(z.union([z.int().min(1).max(65_535), bare])).min(1) }),
    z.strictObject({ kind: z.literal('volume'), paths: z.array(word).min(1) }),
    z.strictObject({ kind: z.literal('stopsignal'), signal: full }),
    z
      .strictObject({
        kind: z.literal('healthcheck'),
        command: z.union([z.literal('none'), command('HEALTHCHECK CMD')]),
        ...{ interval: time, timeout: time, startPeriod: time, startInterval: time },
        retries: z.int().min(1).max(0x7fffffff).optional(),
      })
      .refine(({ command: none, kind: _, ...others }) => none !== 'none' || Object.keys(others).length === 0, "'none' has no options"),
  ]),
) satisfies z.ZodType<BuildInstruction[]>;
