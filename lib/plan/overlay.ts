/**
 * The options of every overlay that nacelle makes, decided once.
 *
 * - redirect_dir and metacopy off: the upper holds whole files and whole folders, so that it can be read as a list of
 *   changes and packed as a layer. A renamed folder of the image answers EXDEV, and mv(1) copies it.
 * - index off: lower layers may change between two mounts, and are shared by many at once.
 * - volatile (Linux 5.10): what is thrown away at the end is not synced to disk.
 */
export function overlayOptions({ volatile = false }: { volatile?: boolean } = {}): string[] {
  return ['redirect_dir=off', 'metacopy=off', 'index=off', ...(volatile ? ['volatile'] : [])];
}
