import * as z from 'zod';

/** A terminal of the caller's with its descriptor, which Node's types leave out. */
export type TerminalInputStream = NodeJS.ReadStream & { readonly fd: number };

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function isTerminal(value: unknown): boolean {
  return property(value, 'isTTY') === true && typeof property(value, 'fd') === 'number';
}

/** What `connectTerminal` can be given. */
export const connectSchema = z.strictObject({
  stdin: z.custom<TerminalInputStream>(isTerminal, 'must be a terminal, with its descriptor as fd'),
  stdout: z.custom<NodeJS.WriteStream>(
    (value) => typeof property(value, 'write') === 'function',
    'must be a stream that can be written to',
  ),
  detachKeys: z.string(),
});
