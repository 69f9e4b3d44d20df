import { execa } from 'execa';
import { type Subject, subject } from '../measure.js';
import { bareProgram } from './spawn.js';

export function execaOf(rootfs: string): Subject {
  const [command, args] = bareProgram(rootfs);
  return subject('execa, no sandbox', () => execa(command, args, { stdin: 'ignore' }));
}
