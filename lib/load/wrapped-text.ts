import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

const BEGINNING = '(function (exports, require, module, __filename, __dirname) { ';
const END = '\n})';

/**
 * The text of a file of CommonJS as a function, which V8 can take as it is: it is read into its place between the beginning and the end. Put together of strings
 * the text would be copied twice more, which takes longer than the reading.
 *
 * The bundler writes names, texts and patterns in ASCII, so that a byte is a character; comments alone have others, which nobody reads. V8 keeps this text
 * with a byte for each character. As UTF-8 it would be decoded first, and those comments would make that two bytes.
 */
export function wrappedText(file: string): string {
  const fd = openSync(file, 'r');
  try {
    const { size } = fstatSync(fd);
    const bytes = Buffer.allocUnsafeSlow(BEGINNING.length + size + END.length);
    let at = bytes.write(BEGINNING, 'latin1');
    const last = at + size;
    for (let read = -1; at < last && read !== 0; at += read) read = readSync(fd, bytes, at, last - at, null);
    return bytes.toString('latin1', 0, at + bytes.write(END, at, 'latin1'));
  } finally {
    closeSync(fd);
  }
}
