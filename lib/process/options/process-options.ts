import * as z from 'zod';
import { text } from '../../options/common-schemas.js';
import { optionalSchemas } from '../../options/option-fields.js';
import { parseOptions } from '../../options/parse-options.js';
import type { ParsedProcess } from './checked-process.js';
import { checkProcess, normaliseProcess } from './parsed-process.js';
import { processFields, terminalFields, terminalSize } from './process-fields.js';
import type { TerminalSize } from './process-types.js';

export type { ParsedProcess, StdioItem } from './checked-process.js';

/** The keys of ProcessOptions and CallOptions, for schemas that contain them; combinations: {@link checkProcess}. */
export const processShape = optionalSchemas(processFields);

/** The key of TerminalOptions, for schemas of what runs in a container. */
export const terminalShape = optionalSchemas(terminalFields);

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseTerminalSize(size: unknown): TerminalSize {
  return parseOptions(terminalSize(), size, 'size');
}

const processObject = z.strictObject(processShape);
/** A program and its arguments. */
export const commandSchema = z
  .array(text)
  .refine((command) => command.length > 0, 'must name a program')
  .refine((command) => command[0] !== '', 'must name a program: its first item is empty');

const programSchema = processObject.superRefine(checkProcess);

/**
 * Checks a ProgramOptions and fills in the defaults.
 *
 * @throws NacelleError `ERR_INVALID_OPTION`, UnsupportedError
 */
export function parseProgramOptions(options: unknown): ParsedProcess {
  return normaliseProcess(parseOptions(programSchema, options, 'options'));
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function parseCommand(command: unknown): string[] {
  return parseOptions(commandSchema, command, 'command');
}
