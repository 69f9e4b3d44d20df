import type { Mounter } from '../../plan/mounter.js';
import type { RootRecipe } from '../../plan/recipe.js';
import { overlayOf } from './host-cover.js';
import { partsOf } from './host-parts.js';
import { type SurveyOptions, surveyHost } from './host-survey.js';

export interface HostLayoutOptions extends SurveyOptions {
  readonly mounter: Mounter;
}

/**
 * The copy-on-write view of a machine as a recipe: an overlay for each of its mounts that is to be seen, each under a layer
 * that hides what must not be. Who can't show a mount without those below it gets the same in parts. Pure: what is on the machine comes from
 * `mounts` and `probe`.
 *
 * @throws NacelleError `ERR_INVALID_OPTION` when the root itself would be hidden
 */
export function hostRecipe(options: HostLayoutOptions): RootRecipe {
  const { mounter } = options;
  const survey = surveyHost(options);
  if (!mounter.whole) return partsOf(survey, options);
  const { overlays, binds, hiddenIn } = survey;
  const mounts = overlays.map((mount) => overlayOf(mount.mountPoint, mount, hiddenIn.get(mount) ?? [], options));
  return { mounts, binds, userxattr: mounter.userxattr };
}
