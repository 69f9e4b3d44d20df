import { attribute, message, NLM_F, text, u16, u32 } from '../netlink.js';

// Requests of traffic control (tc(8)) as bytes. The numbers are those of linux/rtnetlink.h, pkt_sched.h, pkt_cls.h and tc_act/tc_mirred.h.

const RTM = { NEWQDISC: 36, DELQDISC: 37, NEWTFILTER: 44 } as const;
const ACKED = NLM_F.REQUEST | NLM_F.ACK;
const CREATED = ACKED | NLM_F.CREATE | NLM_F.EXCL;
const REPLACED = ACKED | NLM_F.CREATE | NLM_F.REPLACE;
const TCA = { KIND: 1, OPTIONS: 2 } as const;
const TCA_TBF = { PARMS: 1, RATE64: 4, BURST: 6 } as const;
const TCA_U32 = { SEL: 5, ACT: 7 } as const;
const TCA_ACT = { KIND: 1, OPTIONS: 2 } as const;
const TCA_MIRRED_PARMS = 2;
const NLA_F_NESTED = 0x8000;

/** The places of a link's queues: what it sends, and what it receives. */
const TC_H = { ROOT: 0xffff_ffff, INGRESS: 0xffff_fff1 } as const;
const ROOT_HANDLE = 0x1_0000;
const INGRESS_HANDLE = 0xffff_0000;
const TC_LINKLAYER_ETHERNET = 1;
const ETH_P_ALL = 3;
const TC_U32_TERMINAL = 1;
const TC_ACT_STOLEN = 4;
const TCA_EGRESS_REDIR = 1;
const U32_MAX = 0xffff_ffff;

/** A bucket that fills at a rate; who sends takes from it, and waits while it is empty (tc-tbf(8)). */
export interface TokenBucket {
  /** Bytes a second. */
  readonly rate: number;
  /** Bytes that the bucket holds. */
  readonly burst: number;
  /** Bytes that may wait for it; what comes on top is dropped. */
  readonly limit: number;
}

/** What a link sends waits for tokens: the first queue of a link that has the kernel's own. `replaces`: or another rate for one that it has. */
export function newTokenBucket(link: number, { rate, burst, limit }: TokenBucket, { replaces = false } = {}): Uint8Array {
  // struct tc_tbf_qopt: rate, peak rate (none), limit, and buffer and mtu, which the burst in bytes replaces (Linux 3.14)
  const options = Buffer.concat([rateSpec(Math.min(rate, U32_MAX)), new Uint8Array(12), u32(limit), u32(0), u32(0)]);
  return message(
    { type: RTM.NEWQDISC, flags: replaces ? REPLACED : CREATED },
    header(link, { handle: ROOT_HANDLE, parent: TC_H.ROOT }),
    attribute(TCA.KIND, text('tbf')),
    attribute(
      TCA.OPTIONS,
      attribute(TCA_TBF.PARMS, options),
      attribute(TCA_TBF.BURST, u32(burst)),
      ...(rate > U32_MAX ? [attribute(TCA_TBF.RATE64, u64(rate))] : []),
    ),
  );
}

/** What a link sends waits no more: it has the kernel's own queue again. */
export function removeTokenBucket(link: number): Uint8Array {
  return message({ type: RTM.DELQDISC, flags: ACKED }, header(link, { handle: ROOT_HANDLE, parent: TC_H.ROOT }));
}

/** Takes back {@link newIngress}, with its filters. */
export function removeIngress(link: number): Uint8Array {
  return message({ type: RTM.DELQDISC, flags: ACKED }, header(link, { handle: INGRESS_HANDLE, parent: TC_H.INGRESS }));
}

/** Lets filters look at what a link receives. */
export function newIngress(link: number): Uint8Array {
  return message(
    { type: RTM.NEWQDISC, flags: CREATED },
    header(link, { handle: INGRESS_HANDLE, parent: TC_H.INGRESS }),
    attribute(TCA.KIND, text('ingress')),
  );
}

/** All that a link receives goes through the queue of another one, an ifb, before anybody sees it (tc-u32(8), tc-mirred(8)). */
export function redirectIngress(link: number, to: number): Uint8Array {
  // struct tc_mirred: index and capabilities of none that is there, then what becomes of the packet here, counts, where it goes
  const mirred = Buffer.concat([0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, to].map(u32));
  // struct tc_u32_sel, and one key that every packet has: nothing of its first four bytes
  const selector = Buffer.concat([Uint8Array.of(TC_U32_TERMINAL, 0, 1, 0), new Uint8Array(12), new Uint8Array(16)]);
  return message(
    { type: RTM.NEWTFILTER, flags: CREATED },
    header(link, { handle: 0, parent: INGRESS_HANDLE, info: FIRST_OF_ALL }),
    attribute(TCA.KIND, text('u32')),
    attribute(
      TCA.OPTIONS,
      attribute(
        TCA_U32.ACT,
        attribute(
          1,
          attribute(TCA_ACT.KIND, text('mirred')),
          attribute(TCA_ACT.OPTIONS | NLA_F_NESTED, attribute(TCA_MIRRED_PARMS, mirred)),
        ),
      ),
      attribute(TCA_U32.SEL, selector),
    ),
  );
}

/** Of a filter: priority 1, and packets of all protocols, the number of which is in the order of the network. */
const FIRST_OF_ALL = 0x1_0000 + (ETH_P_ALL << 8);

/** struct tcmsg: family and padding, the link's index, the queue's own number, that of its place, what belongs to its kind. */
function header(link: number, { handle, parent, info = 0 }: { handle: number; parent: number; info?: number }): Uint8Array {
  return Buffer.concat([0, link, handle, parent, info].map(u32));
}

/** struct tc_ratespec. With Ethernet as link layer the kernel needs no table of rates. */
function rateSpec(rate: number): Uint8Array {
  return Buffer.concat([Uint8Array.of(0, TC_LINKLAYER_ETHERNET), u16(0), u16(0), u16(0), u32(rate)]);
}

function u64(value: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
}
