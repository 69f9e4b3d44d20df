export function sourcesDigest(project: string): string;
export function noteSources(prebuild: string, digest: string | null): void;
export function isOfSources(prebuild: string, project: string): boolean;
