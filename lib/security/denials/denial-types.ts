/**
 * A system call that the filter of a container's programs has refused. All of it comes from a program that nobody trusts: `paths` and `address`
 * are what the program's memory said while the call waited, and another thread of it may have changed them since.
 */
export interface DenialEvent {
  /** 'mount'; `null` for a number that is no call, as far as is known here. */
  readonly call: string | null;
  readonly number: number;
  /** The ABI by which the call was made; `null` for one that the machine's filters don't know. */
  readonly abi: 'x86_64' | 'x32' | 'i386' | 'arm64' | null;
  /** The process, in the pid namespace of this one; 0 where it was gone before it was looked at. */
  readonly pid: number;
  /** All six, unsigned; what the call does not take is what was in the register. */
  readonly args: readonly bigint[];
  /** What its arguments for paths and names hold, as far as that could be read: the first 4,096 bytes, with what is no UTF-8 replaced. */
  readonly paths: readonly string[];
  /** Of connect(2), bind(2) and sendto(2): '192.0.2.1:80', '[2001:db8::1]:80', 'unix:/run/a.sock', 'unix:@abstract', 'family 16'. */
  readonly address: string | null;
  /** What the program heard, such as 'EPERM'; `null` where its process was killed for the call. */
  readonly errno: string | null;
  readonly killed: boolean;
  readonly at: Date;
  /** How many before this one were left out: more than 256 at once, and 128 a second, are not told. */
  readonly lost: number;
}
