/** Of linux/bpf_common.h and linux/seccomp.h. */
const BPF_RET_K = 0x06;
const SECCOMP_RET_USER_NOTIF = 0x7fc0_0000;
const SECCOMP_RET_ERRNO = 0x0005_0000;
const killing = [0x8000_0000, 0x0000_0000];
const ENOSYS = 38;

/**
 * The filter that asks a listener for each call for which this one kills, and with `refusals` also for each that this one refuses with an errno.
 * The listener answers as this one would.
 *
 * ENOSYS is no refusal: a program that hears it does without the call, as on an older kernel, and some calls are tried for each new thread.
 */
export function listenedFilter(filter: Uint8Array, { refusals }: { readonly refusals: boolean }): Uint8Array {
  const bytes = Uint8Array.from(filter);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; at += 8) {
    if (view.getUint16(at, true) === BPF_RET_K && isAsked(view.getUint32(at + 4, true), refusals))
      view.setUint32(at + 4, SECCOMP_RET_USER_NOTIF, true);
  }
  return bytes;
}

function isAsked(value: number, refusals: boolean): boolean {
  const [action, data] = [(value & 0xffff_0000) >>> 0, value & 0xffff];
  return killing.includes(action) || (refusals && action === SECCOMP_RET_ERRNO && data !== ENOSYS);
}
