import { invalidOption } from '../errors.js';
import { type CapabilityMask, capabilityMask } from '../plan/capability-names.js';
import { emitArgumentTest } from './argument-test.js';
import { Assembler, type Label } from './bpf.js';
import { defaultProfile } from './default-profile.js';
import { didYouMean } from './did-you-mean.js';
import { emitSearch } from './number-search.js';
import type { Action, Profile, Rule } from './profile.js';
import { type Abi, syscallTable } from './syscalls/tables.js';

/** A machine's architecture, which decides by what ABIs its kernel takes system calls. */
export type Architecture = 'x86_64' | 'arm64';

/** AUDIT_ARCH_* of linux/audit.h, and the bits of the call's number that count. */
interface Entry {
  readonly abi: Abi;
  readonly audit: number;
  readonly numberMask?: number;
}

/**
 * The ABIs that a filter covers; a call through any other kills the process.
 *
 * x32 shares x86-64's AUDIT_ARCH and sets bit 30 of the number. The bit is masked off, so that a rule about a call
 * holds with and without it: before Linux 5.4 the kernel itself took each number either way.
 *
 * On arm64 the 32-bit ABI has no table here, so 32-bit ARM programs are killed.
 */
const entries: Record<Architecture, readonly Entry[]> = {
  x86_64: [
    { abi: 'x86_64', audit: 0xc000_003e, numberMask: 0xbfff_ffff },
    { abi: 'i386', audit: 0x4000_0003 },
  ],
  arm64: [{ abi: 'arm64', audit: 0xc000_00b7 }],
};

const abis: readonly Abi[] = ['x86_64', 'i386', 'arm64'];

/** Whether a filter of this profile ever kills: by its actions, or for a call of an ABI of the machine that has no table. */
export function canKill({ defaultAction, rules }: Profile, arch: Architecture): boolean {
  return arch === 'arm64' || [defaultAction, ...rules.map(({ action }) => action)].includes('kill-process');
}

/** Offsets in struct seccomp_data. */
const nrOffset = 0;
const archOffset = 4;

/** What a rule says about a call whose number is known. */
type Case = Pick<Rule, 'action' | 'args'>;

/** Numbers from `from` up to the next span's are decided by the same cases. */
interface CaseSpan {
  readonly from: number;
  readonly cases: readonly Case[];
}

/**
 * Compiles a profile to a classic BPF program for seccomp(2): struct sock_filter[], little endian.
 *
 * The call's number is found in a binary search tree (number-search.ts). A call that is allowed whatever its
 * arguments are costs nothing since Linux 5.11, which remembers such numbers.
 *
 * @throws NacelleError ERR_INVALID_OPTION for a call that no architecture has, with the nearest right name.
 */
export function compileProfile(
  profile: Profile,
  options: { readonly arch: Architecture; readonly capabilities: CapabilityMask },
): Uint8Array {
  const rules = profile.rules.filter(({ unless = [] }) => !(options.capabilities & capabilityMask(...unless)));
  for (const name of rules.flatMap((rule) => rule.names)) checkName(name);

  const assembler = new Assembler();
  const blocks = new Blocks(assembler);
  assembler.load(archOffset);
  for (const { abi, audit, numberMask } of entries[options.arch]) {
    const [covered, other] = [assembler.label(), assembler.label()];
    assembler.branch('jeq', audit, covered, other);
    assembler.place(covered);
    assembler.load(nrOffset);
    if (numberMask !== undefined) assembler.and(numberMask);
    const spans = spansOf(profile.defaultAction, rules, abi);
    emitSearch(
      assembler,
      spans.map(({ from, cases }, index) => ({
        from,
        end: spans[index + 1]?.from ?? Number.POSITIVE_INFINITY,
        label: blocks.label(cases),
      })),
    );
    assembler.place(other);
  }
  assembler.ret(returnValue('kill-process'));
  blocks.emit();
  return assembler.assemble();
}

/** Filters that were compiled, by architecture and by the capabilities that change them. */
const compiled = new Map<string, Uint8Array>();
const relevant = capabilityMask(...defaultProfile.rules.flatMap((rule) => rule.unless ?? []));

/** The filter of `seccomp: 'default'`, for a container with these capabilities. Compiled once; not to be changed. */
export function compileDefault(options: { readonly arch: Architecture; readonly capabilities: CapabilityMask }): Uint8Array {
  const key = `${options.arch} ${options.capabilities & relevant}`;
  let filter = compiled.get(key);
  if (!filter) {
    filter = compileProfile(defaultProfile, options);
    compiled.set(key, filter);
  }
  return filter;
}

/** A name that one ABI lacks is fine, a name that all lack is a mistake: its rule would never hold. */
function checkName(name: string): void {
  if (abis.some((abi) => syscallTable(abi).has(name))) return;
  const known = abis.flatMap((abi) => [...syscallTable(abi).keys()]);
  throw invalidOption('seccomp', `there is no system call ${JSON.stringify(name)}${didYouMean(name, known)}`);
}

function spansOf(defaultAction: Action, rules: readonly Rule[], abi: Abi): CaseSpan[] {
  const table = syscallTable(abi);
  const byNumber = new Map<number, Case[]>();
  for (const { names, action, args } of rules) {
    for (const number of names.flatMap((name) => table.get(name) ?? [])) {
      const cases = byNumber.get(number) ?? [];
      byNumber.set(number, cases);
      const decided = cases.some((one) => !one.args?.length);
      if (!decided) cases.push({ action, ...(args ? { args } : {}) });
    }
  }
  const otherwise: Case = { action: defaultAction };
  const spans: CaseSpan[] = [];
  const add = (from: number, cases: readonly Case[]) => {
    const last = spans.at(-1);
    if (!last || keyOf(last.cases) !== keyOf(cases)) spans.push({ from, cases });
  };
  add(0, [otherwise]);
  for (const number of [...byNumber.keys()].sort((a, b) => a - b)) {
    const cases = byNumber.get(number) ?? [];
    add(number, cases.some((one) => !one.args?.length) ? cases : [...cases, otherwise]);
    if (!byNumber.has(number + 1)) add(number + 1, [otherwise]);
  }
  // The first call may be number 0.
  return spans.filter((span, index) => span.from !== spans[index + 1]?.from);
}

function keyOf(cases: readonly Case[]): string {
  return JSON.stringify(cases, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/** The ends of the search: the tests and verdicts of each different list of cases, once, behind all trees. */
class Blocks {
  readonly #assembler: Assembler;
  readonly #cases = new Map<string, { readonly label: Label; readonly cases: readonly Case[] }>();

  constructor(assembler: Assembler) {
    this.#assembler = assembler;
  }

  label(cases: readonly Case[]): Label {
    const key = keyOf(cases);
    let block = this.#cases.get(key);
    if (!block) {
      block = { label: this.#assembler.label(), cases };
      this.#cases.set(key, block);
    }
    return block.label;
  }

  emit(): void {
    const assembler = this.#assembler;
    const verdicts = new Map<number, Label>();
    const verdict = (action: Action): Label => {
      const value = returnValue(action);
      const label = verdicts.get(value) ?? assembler.label();
      verdicts.set(value, label);
      return label;
    };
    for (const { label, cases } of this.#cases.values()) {
      assembler.place(label);
      for (const { action, args = [] } of cases) {
        const next = assembler.label();
        for (const [index, test] of args.entries()) {
          const holds = assembler.label();
          emitArgumentTest(assembler, test, index === args.length - 1 ? verdict(action) : holds, next);
          assembler.place(holds);
        }
        if (args.length === 0) assembler.ret(returnValue(action));
        assembler.place(next);
      }
    }
    for (const [value, label] of verdicts) {
      assembler.place(label);
      assembler.ret(value);
    }
  }
}

/** SECCOMP_RET_* of linux/seccomp.h. */
function returnValue(action: Action): number {
  if (action === 'allow') return 0x7fff_0000;
  if (action === 'kill-process') return 0x8000_0000;
  return 0x0005_0000 | (action.errno & 0xffff);
}
