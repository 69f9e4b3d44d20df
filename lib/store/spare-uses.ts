/** Ends uses of one kind; resolves when they have ended. */
type EndUses = () => Promise<void>;

/** What may be used though nobody has asked for that: layers of images, addresses of networks. */
type Kind = 'layers' | 'addresses';

const spare: Readonly<Record<Kind, Set<EndUses>>> = { layers: new Set(), addresses: new Set() };

/** Adds uses that nobody has asked for, as those of containers that are made ahead: whoever removes something, or wants it, has them ended before. */
export function addSpareUses(kind: Kind, end: EndUses): void {
  spare[kind].add(end);
}

/** Ends what was added in this environment (main thread or Worker). */
export async function endSpareUses(kind: Kind): Promise<void> {
  await Promise.all([...spare[kind]].map((end) => end()));
}
