import { canonicalPlatform, type Platform, parsePlatform, platformName } from '../../image/formats/platform.js';
import { DockerfileProblem } from '../language/build-error.js';
import type { GraphStage, StageGraph } from '../language/stage-graph.js';

/** A platform that is built for. */
export interface Target {
  readonly platform: Platform;
  /** The caller has asked for it. Else it is what Node runs on, and images may be for whatever they are. */
  readonly isAsked: boolean;
}

/**
 * What each stage is for, by its number: as with BuildKit that which FROM says, but on another stage what that one is for, and from scratch what is built for.
 *
 * @throws DockerfileProblem for what is no platform, or none of Linux
 */
export function stagePlatforms({ needed }: StageGraph, target: Target): ReadonlyMap<number, Platform> {
  const platforms = new Map<number, Platform>();
  for (const stage of needed) {
    const { base } = stage;
    const own = platformOf(stage);
    const before = base.kind === 'stage' ? platforms.get(base.index) : null;
    platforms.set(stage.stage.index, before ?? (base.kind === 'scratch' ? null : own) ?? target.platform);
  }
  return platforms;
}

/** What an image of FROM has to be for; `null`: nothing was asked for. */
export function askedOf(stage: GraphStage, { platform, isAsked }: Target): Platform | null {
  return platformOf(stage) ?? (isAsked ? platform : null);
}

/** @returns `null`: FROM has none */
function platformOf({ platform, stage: { from } }: GraphStage): Platform | null {
  if (platform === '') return null;
  const parsed = parsePlatform(platform);
  if (!parsed)
    throw new DockerfileProblem(
      `the platform ${JSON.stringify(platform)} is none: it has to be like linux/amd64 or linux/arm/v7`,
      from.lines,
    );
  const found = canonicalPlatform(parsed);
  if (found.os === 'linux') return found;
  throw new DockerfileProblem(`the platform ${platformName(found)} can't be built: it has to be Linux`, from.lines);
}
