const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;

/** A sockaddr of the kernel's in words; `null` where there is none. */
export function describeAddress(bytes: Uint8Array): string | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 2) return null;
  const family = view.getUint16(0, true);
  if (family === AF_UNIX) return `unix:${unixName(bytes.subarray(2))}`;
  if (family === AF_INET && bytes.length >= 8) return `${bytes.subarray(4, 8).join('.')}:${view.getUint16(2)}`;
  if (family === AF_INET6 && bytes.length >= 24) return `[${ipv6(view, 8)}]:${view.getUint16(2)}`;
  return `family ${family}`;
}

function unixName(path: Uint8Array): string {
  const isAbstract = path[0] === 0 && path.length > 1;
  const end = path.indexOf(0);
  const name = isAbstract ? path.subarray(1) : end < 0 ? path : path.subarray(0, end);
  return `${isAbstract ? '@' : ''}${Buffer.from(name).toString()}`;
}

/** As inet_ntop(3) has it: the URL parser shortens an address in the same way. */
function ipv6(view: DataView, at: number): string {
  const groups = Array.from({ length: 8 }, (_, index) => view.getUint16(at + 2 * index).toString(16));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
