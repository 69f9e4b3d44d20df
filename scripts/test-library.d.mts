import type { Plugin } from 'vitest/config';

export function bundledLibrary(): Plugin;
