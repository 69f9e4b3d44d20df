/**
 * The options of every overlay that nacelle makes, decided once.
 *
 * - redirect_dir=nofollow (Linux 4.16): no redirect is made, and none of a lower layer is followed. `off` follows where the
 *   kernel was built to (CONFIG_OVERLAY_FS_REDIRECT_ALWAYS_FOLLOW, the default): a layer that somebody else wrote, from a disk or
 *   by another program, could then show any folder below it in place of another, past whiteouts (overlayfs.rst). Such a folder
 *   answers EPERM instead, and `changes()` refuses it likewise. Layers that nacelle unpacked never have one.
 * - redirect_dir and metacopy off: the upper holds whole files and whole folders, so that it can be read as a list of
 *   changes and packed as a layer. A renamed folder of the image answers EXDEV, and mv(1) copies it.
 * - index off: lower layers may change between two mounts, and are shared by many at once.
 * - volatile (Linux 5.10): what is thrown away at the end is not synced to disk.
 * - userxattr (Linux 5.11): without it a folder that was removed can't be made anew in a user namespace (EIO), as its mark would be an
 *   attribute for root of the host alone.
 */
export function overlayOptions({ volatile = false, userxattr = false }: { volatile?: boolean; userxattr?: boolean } = {}): string[] {
  return ['redirect_dir=nofollow', 'metacopy=off', 'index=off', ...(volatile ? ['volatile'] : []), ...(userxattr ? ['userxattr'] : [])];
}
