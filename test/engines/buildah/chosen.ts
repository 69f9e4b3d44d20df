const WORKDIR = 'a WORKDIR that is there makes no layer';

/** Where this project's image is another than BuildKit's on purpose, by the case's name. */
export const CHOSEN: Readonly<Record<string, string>> = {
  edgecases: WORKDIR,
  'file-in-workdir-in-other-stage': WORKDIR,
  'workdir with trailing separator': WORKDIR,
  'workdir without trailing separator': WORKDIR,
  'add-parent-symlink': 'a link of an archive that leads out of the target is followed within it, as buildah does; BuildKit refuses it',
};
