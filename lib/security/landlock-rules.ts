/** LANDLOCK_ACCESS_FS_* of linux/landlock.h, with the version of the ABI since which the kernel has each. */
const FILE_RIGHTS = {
  execute: [0, 1],
  writeFile: [1, 1],
  readFile: [2, 1],
  readDir: [3, 1],
  removeDir: [4, 1],
  removeFile: [5, 1],
  makeChar: [6, 1],
  makeDir: [7, 1],
  makeReg: [8, 1],
  makeSock: [9, 1],
  makeFifo: [10, 1],
  makeBlock: [11, 1],
  makeSym: [12, 1],
  /** Renames and links from one folder to another; without it they are refused everywhere, as on ABI 1. */
  refer: [13, 2],
  truncate: [14, 3],
  ioctlDev: [15, 5],
} as const satisfies Rights;

/** LANDLOCK_ACCESS_NET_* */
const PORT_RIGHTS = { bind: [0, 4], connect: [1, 4] } as const satisfies Rights;

/** LANDLOCK_SCOPE_* */
const SCOPES = { abstractUnixSocket: [0, 6], signal: [1, 6] } as const satisfies Rights;

type Rights = Readonly<Record<string, readonly [bit: number, abi: number]>>;
type FileRight = keyof typeof FILE_RIGHTS;

/** The version from which on the kernel confines signals. */
export const SIGNALS_ABI = 6;
/** The version from which on the kernel confines TCP ports. */
export const PORTS_ABI = 4;
/** The version from which on the kernel confines truncate(2). */
export const TRUNCATE_ABI = 3;

/** What a program may do in a folder and all that is below it, or with a file. */
export type PathAccess = 'read' | 'run' | 'write' | 'write-and-run' | 'device';

const READ: readonly FileRight[] = ['readFile', 'readDir'];
/** All but what makes device nodes and sockets. */
const WRITE: readonly FileRight[] = [
  ...READ,
  ...(['writeFile', 'truncate', 'removeDir', 'removeFile', 'makeDir', 'makeReg', 'makeFifo', 'makeSym', 'refer'] as const),
];

const ACCESS: Readonly<Record<PathAccess, readonly FileRight[]>> = {
  read: READ,
  run: [...READ, 'execute'],
  write: WRITE,
  'write-and-run': [...WRITE, 'execute'],
  device: ['readFile', 'writeFile'],
};

/** The kernel refuses a rule that gives a file what only folders have. */
const OF_FILES: ReadonlySet<FileRight> = new Set(['execute', 'writeFile', 'readFile', 'truncate', 'ioctlDev']);

/** Paths with the same rights. */
export interface PathRule {
  readonly paths: readonly string[];
  readonly isFolder: boolean;
  readonly access: PathAccess;
  /** A path that is not there is no error. */
  readonly mayMiss: boolean;
}

/** TCP ports that a program may use. */
export interface TcpPorts {
  readonly connect: readonly number[];
  readonly bind: readonly number[];
}

/** What is denied unless a rule allows it: all that a kernel of this version can deny, for whatever comes in a later one. */
export interface Handled {
  readonly files: number;
  readonly ports: number;
  readonly scopes: number;
}

/** @param confinesPorts false leaves TCP as it is */
export function handledBy(abi: number, { confinesPorts }: { confinesPorts: boolean }): Handled {
  return {
    files: mask(FILE_RIGHTS, Object.keys(FILE_RIGHTS), abi),
    ports: confinesPorts ? mask(PORT_RIGHTS, Object.keys(PORT_RIGHTS), abi) : 0,
    scopes: mask(SCOPES, Object.keys(SCOPES), abi),
  };
}

/** The rights of a rule: those of its access that the kernel knows, and that such a path can have. */
export function rightsOf({ access, isFolder }: Pick<PathRule, 'access' | 'isFolder'>, abi: number): number {
  return mask(
    FILE_RIGHTS,
    ACCESS[access].filter((right) => isFolder || OF_FILES.has(right)),
    abi,
  );
}

/** Each port with its rights; none where the kernel can't confine ports. */
export function portRules({ connect, bind }: TcpPorts, abi: number): { port: number; rights: number }[] {
  const rights = (port: number): number =>
    mask(PORT_RIGHTS, [...(connect.includes(port) ? ['connect'] : []), ...(bind.includes(port) ? ['bind'] : [])], abi);
  return [...new Set([...connect, ...bind])].map((port) => ({ port, rights: rights(port) })).filter((rule) => rule.rights !== 0);
}

function mask(rights: Rights, names: readonly string[], abi: number): number {
  const known = names.flatMap((name) => (rights[name] === undefined || rights[name][1] > abi ? [] : [rights[name][0]]));
  return known.reduce((sum, bit) => sum | (1 << bit), 0);
}
