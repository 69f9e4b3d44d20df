import { isIP } from 'node:net';
import * as z from 'zod';
import { checkOptions } from '../../options/parse-options.js';
import { type Address, type Cidr, parseAddress, parseCidr } from '../address.js';
import type { CniVersion } from './cni-version.js';

// What plugins print (SPEC.md of containernetworking/cni, section 5), in the shapes of versions 0.3.0 to 1.1.0, as one shape. Pure.

/** What the plugins of a network have made. */
export interface CniResult {
  readonly interfaces: readonly CniInterface[];
  readonly ips: readonly {
    readonly address: Cidr;
    readonly gateway: Address | null;
    /** The place in `interfaces`; `null` where the plugin doesn't tell. */
    readonly interface: number | null;
  }[];
  readonly routes: readonly { readonly family: 4 | 6; readonly isDefault: boolean; readonly gateway: Address | null }[];
  readonly dns: CniDns;
}

export interface CniInterface {
  readonly name: string;
  readonly mac: string | null;
  /** `null` for a link of this machine's. */
  readonly sandbox: string | null;
}

/** The links of this machine's that the plugins have made, or used: names that a link can have, since a plugin can print anything. */
export function linksOutside({ interfaces }: CniResult): string[] {
  return interfaces.flatMap(({ name, sandbox }) => (sandbox === null && isLinkName(name) ? [name] : []));
}

const LONGEST_LINK = 15;

function isLinkName(name: string): boolean {
  return Buffer.byteLength(name) <= LONGEST_LINK && /^[^\s/]+$/.test(name) && name !== '.' && name !== '..';
}

/** What a network says of names. */
export interface CniDns {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Go's encoder writes what is empty as `null`, or as ''. */
const maybe = <T extends z.ZodType>(schema: T) => schema.nullish().transform((value) => value ?? null);
const list = <T extends z.ZodType>(schema: T) =>
  z
    .array(schema)
    .nullish()
    .transform((value) => value ?? []);
const filled = maybe(z.string()).transform((value) => value || null);

const read = <T extends object>(parse: (value: string) => T | string) =>
  z.string().transform((value, context): T => {
    const parsed = parse(value);
    if (typeof parsed !== 'string') return parsed;
    context.issues.push({ code: 'custom', message: parsed, input: value });
    return z.NEVER;
  });

const address = read(parseCidr);
const gateway = z
  .union([z.literal('').transform(() => null), read(parseAddress)])
  .nullish()
  .transform((value) => value ?? null);

/** No line of resolv.conf(5) may come of it but the one that it is for. */
const dnsWord = z.string().regex(/^[^\s#;\p{Cc}]+$/u, 'must be a word');
const dns = maybe(
  z.looseObject({
    nameservers: list(z.string().refine((value) => isIP(value) !== 0, 'must be an IP address')),
    domain: filled.pipe(dnsWord.nullable()),
    search: list(dnsWord),
    options: list(dnsWord),
  }),
);

const result = z.looseObject({
  cniVersion: z.string().optional(),
  interfaces: list(z.looseObject({ name: z.string().min(1), mac: filled, sandbox: filled })),
  // `version` ('4', '6') is of results before 1.0.0, and says what the address says
  ips: list(z.looseObject({ address, gateway, interface: maybe(z.int()) })),
  routes: list(z.looseObject({ dst: read(parseDestination), gw: gateway })),
  dns,
});

/**
 * Reads the result of an ADD. Returns the problem in words when it is none.
 *
 * @param version that was asked for, which the result has to be of
 */
export function readResult(printed: unknown, version: CniVersion): CniResult | string {
  const checked = checkOptions(result, printed);
  if ('problems' in checked) {
    return checked.problems.map(({ name, text }) => (name === '' ? text : `${name} ${text}`)).join('; ');
  }
  const { cniVersion = version, interfaces, ips, routes, dns: names } = checked.value;
  if (cniVersion !== version) return `it is of version ${cniVersion}, and ${version} was asked for`;
  const strange = ips.findIndex((one) => one.interface !== null && !(one.interface in interfaces));
  if (strange >= 0) return `ips[${strange}].interface is none of its interfaces`;
  return {
    interfaces: interfaces.map(({ name, mac, sandbox }) => ({ name, mac, sandbox })),
    ips: ips.map((one) => ({ address: one.address, gateway: one.gateway, interface: one.interface })),
    routes: routes.map(({ dst, gw }) => ({ ...dst, gateway: gw })),
    dns: {
      nameservers: names?.nameservers ?? [],
      // resolv.conf(5): `domain` is a search list of one
      search: names === null ? [] : names.search.length > 0 || names.domain === null ? names.search : [names.domain],
      options: names?.options ?? [],
    },
  };
}

/** A destination in CIDR notation, which may be all of a family. */
function parseDestination(value: string): { readonly family: 4 | 6; readonly isDefault: boolean } | string {
  const [, host = '', length = ''] = /^([^/]*)\/(\d{1,3})$/.exec(value) ?? [];
  const family = isIP(host);
  const prefix = Number(length);
  if ((family !== 4 && family !== 6) || prefix > (family === 4 ? 32 : 128)) return `'${value}' is no destination in CIDR notation`;
  return { family, isDefault: prefix === 0 };
}

/** The link in the container that has a name, as a result tells of it; `null` where it tells of none. */
export function interfaceIn({ interfaces }: CniResult, name: string): CniInterface | null {
  return interfaces.find((one) => one.name === name && one.sandbox !== null) ?? null;
}

/** The addresses of that link. A result that doesn't say whose an address is has no others. */
export function addressesOf({ interfaces, ips }: CniResult, name: string): Cidr[] {
  const isOf = (place: number | null): boolean => {
    if (place === null) return true;
    const link = interfaces[place];
    return link?.name === name && link.sandbox !== null;
  };
  return ips.filter((one) => isOf(one.interface)).map((one) => one.address);
}

/** The gateways of the default routes. One without a gateway of its own has that of an address of the family. */
export function defaultGateways({ routes, ips }: CniResult): Address[] {
  const defaults = routes.filter(({ isDefault }) => isDefault);
  return defaults.flatMap(({ family, gateway: own }) => {
    const found = own ?? ips.find((one) => one.address.family === family && one.gateway !== null)?.gateway;
    return found ? [found] : [];
  });
}

/** What a plugin prints when it fails. */
export interface ErrorResult {
  readonly code: number;
  readonly msg: string;
  readonly details: string | null;
}

const failure = z.looseObject({ code: z.int(), msg: z.string(), details: filled });
const versions = z.looseObject({ supportedVersions: z.array(z.string()) });

/** `null`: it is no error result. */
export function readErrorResult(printed: unknown): ErrorResult | null {
  const { success, data } = failure.safeParse(printed);
  return success ? { code: data.code, msg: data.msg, details: data.details } : null;
}

/** The versions of the specification that a plugin speaks; `null`: it is no answer to VERSION. */
export function readVersions(printed: unknown): readonly string[] | null {
  return versions.safeParse(printed).data?.supportedVersions ?? null;
}
