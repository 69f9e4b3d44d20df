import { randomUUID } from 'node:crypto';

/** A name that is used once, of 122 random bits: what is made for one program or one caller is called by it. */
export function newId(): string {
  return randomUUID().replaceAll('-', '');
}
