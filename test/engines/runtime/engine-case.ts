/** What is asked, in words, and as a script of bash whose output both runtimes must have. */
export type EngineCase = readonly [name: string, script: string];
