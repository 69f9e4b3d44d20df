/** What UnpackLimits says of each. */
export const DEFAULT_LIMITS = {
  maxBytes: 64 * 1024 ** 3,
  maxEntries: 5_000_000,
  maxPathLength: 4095,
  maxDepth: 512,
  maxRatio: 200,
};
