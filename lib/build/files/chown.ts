import { InstructionProblem } from '../language/build-error.js';
import { type FileTree, resolveIn } from './file-tree.js';

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** The largest /etc/passwd that is read. */
const LARGEST = 1024 * 1024;

/**
 * The owner that `--chown`, or USER, means, its names looked up in the files of the stage. A name without a group means that user's own group, a number
 * the group of the same number.
 *
 * @param what to blame
 * @throws InstructionProblem for a name that isn't there
 */
export async function findOwner(text: string, tree: FileTree, what = '--chown'): Promise<Owner> {
  const [user = '', group] = text.split(':', 2);
  const own = user === '' ? { uid: 0, gid: 0 } : (numbers(user, what) ?? (await findUser(user, tree, what)));
  if (group === undefined || group === '') return own;
  return { uid: own.uid, gid: numbers(group, what)?.gid ?? (await findGroup(group, tree, what)) };
}

function numbers(text: string, what: string): Owner | null {
  if (!/^\d{1,10}$/.test(text)) return null;
  const id = Number(text);
  if (id > 0xfffffffe) throw new InstructionProblem(`${what}: ${text} is no id of a user or group`);
  return { uid: id, gid: id };
}

async function findUser(name: string, tree: FileTree, what: string): Promise<Owner> {
  const fields = (await lines('etc/passwd', tree)).find(([first]) => first === name);
  const [uid, gid] = [fields?.[2], fields?.[3]].map((field) => (field && /^\d{1,10}$/.test(field) ? Number(field) : null));
  if (typeof uid === 'number' && typeof gid === 'number') return { uid, gid };
  throw new InstructionProblem(`${what}: the user ${JSON.stringify(name)} is not in /etc/passwd`);
}

async function findGroup(name: string, tree: FileTree, what: string): Promise<number> {
  const gid = (await lines('etc/group', tree)).find(([first]) => first === name)?.[2];
  if (gid && /^\d{1,10}$/.test(gid)) return Number(gid);
  throw new InstructionProblem(`${what}: the group ${JSON.stringify(name)} is not in /etc/group`);
}

async function lines(path: string, tree: FileTree): Promise<readonly (readonly string[])[]> {
  const { path: found, entry } = await resolveIn(tree, path);
  if (entry?.kind !== 'file' || entry.size > LARGEST) return [];
  const file = await tree.open(found);
  try {
    return (await file.readFile('utf8')).split('\n').map((line) => line.split(':'));
  } finally {
    await file.close();
  }
}
