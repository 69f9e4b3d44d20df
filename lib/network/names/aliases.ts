import * as z from 'zod';
import { text } from '../../options/common-schemas.js';
import { isName } from './member.js';

/** Names by which others in a network find a container, beside its own. */
export const aliases = z
  .array(text.refine(isName, "must be a name that can be asked for: labels of 1 to 63 bytes with '.' between, and no spaces"))
  .readonly();
