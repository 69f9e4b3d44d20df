import { invalidOption } from '../../errors.js';
import { canonicalPlatform, type Platform, platformName } from '../../image/formats/platform.js';

/** What is built for. */
export interface WantedPlatforms {
  /** `null`: nothing was asked for. */
  readonly asked: readonly Platform[] | null;
  /** The image is an index, also of one platform. */
  readonly isIndex: boolean;
}

/** @throws NacelleError `ERR_INVALID_OPTION` */
export function wantedPlatforms({
  platform,
  platforms,
  output,
}: {
  readonly platform?: Platform | undefined;
  readonly platforms?: readonly Platform[] | undefined;
  readonly output?: object | undefined;
}): WantedPlatforms {
  if (platform && platforms) throw invalidOption('platform', 'it is given, and so is platforms: there can be only one of them');
  const asked = (platforms ?? (platform ? [platform] : null))?.map(canonicalPlatform) ?? null;
  const option = platforms ? 'platforms' : 'platform';
  for (const [index, one] of (asked ?? []).entries()) {
    const name = platformName(one);
    if (one.os !== 'linux') throw invalidOption(option, `${JSON.stringify(name)} can't be built: it has to be Linux`);
    if (asked?.findIndex((other) => platformName(other) === name) !== index)
      throw invalidOption(option, `${JSON.stringify(name)} is there twice`);
  }
  if (output && 'tar' in output && asked && asked.length > 1)
    throw invalidOption(
      'output.tar',
      'it has the files of one platform, and platforms has several: output.directory has a folder for each',
    );
  return { asked, isIndex: platforms !== undefined };
}
