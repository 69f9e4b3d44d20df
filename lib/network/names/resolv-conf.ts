import type { CniDns } from '../cni/cni-result.js';

/** Where containers ask: docker's address. The server is beside the shim (addon/shim/modes/served_names.h). */
const NAME_SERVER = '127.0.0.11';

/**
 * The resolv.conf(5) of a container that asks the server of names. It has the host's search list and options, where other names are asked for
 * on the host. A name without a dot is asked for as it is first (ndots:0), as in docker's: so the name of a container is never asked for
 * elsewhere. Pure.
 */
export function ownResolvConf(host: string, { forwards }: { readonly forwards: boolean }): string {
  const server = `nameserver ${NAME_SERVER}\n`;
  if (!forwards) return `${server}options ndots:0\n`;
  const search = lastOf(host, 'search') ?? lastOf(host, 'domain');
  const options = allOf(host, 'options').flatMap((line) => line.split(/[ \t]+/));
  const all = options.some((option) => option.startsWith('ndots:')) ? options : [...options, 'ndots:0'];
  return `${server}${search === undefined ? '' : `search ${search}\n`}options ${all.join(' ')}\n`;
}

/** What plugins of CNI say of names, as lines of resolv.conf(5). Pure. */
export function pluginResolvConf({ nameservers, search, options }: CniDns): string {
  const line = (keyword: string, words: readonly string[]): string => (words.length === 0 ? '' : `${keyword} ${words.join(' ')}\n`);
  return nameservers.map((server) => line('nameserver', [server])).join('') + line('search', search) + line('options', options);
}

/** What stands behind a keyword, of which the last line counts. */
function lastOf(text: string, keyword: string): string | undefined {
  return allOf(text, keyword).at(-1);
}

function allOf(text: string, keyword: string): string[] {
  return [...text.matchAll(new RegExp(`^${keyword}[ \\t]+([^\\n]*)$`, 'gm'))].flatMap(([, rest = '']) => rest.trim() || []);
}
