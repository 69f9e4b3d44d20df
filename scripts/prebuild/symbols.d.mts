/** A line of readelf's table of dynamic symbols. */
export interface DynamicSymbol {
  readonly name: string;
  readonly version: string;
  readonly isUndefined: boolean;
  readonly isWeak: boolean;
}
export function parseSymbols(text: string): DynamicSymbol[];
export function parseNeeded(text: string): string[];
export function addonFaults(facts: { readonly needed: readonly string[]; readonly symbols: readonly DynamicSymbol[] }, musl: ReadonlySet<string>): string[];
