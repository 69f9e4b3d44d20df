/** Ends uses of what is in a store; resolves when they have ended. */
type EndUses = () => Promise<void>;

const spare = new Set<EndUses>();

/** Adds uses that nobody has asked for, as those of containers that are made ahead: whoever removes something has them ended before. */
export function addSpareUses(end: EndUses): void {
  spare.add(end);
}

/** Ends what was added in this environment (main thread or Worker). */
export async function endSpareUses(): Promise<void> {
  await Promise.all([...spare].map((end) => end()));
}
