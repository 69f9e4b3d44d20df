import { randomUUID } from 'node:crypto';

/** A name that is used once, of 122 random bits, for what is made for one program or one caller. */
export function newId(): string {
  return randomUUID().replaceAll('-', '');
}
