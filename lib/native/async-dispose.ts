/**
 * Symbol.asyncDispose, for the classes of the package. Node before 24 has none in a vm context, where test runners run what a test
 * imports; then it is the symbol that esbuild's `await using` looks for.
 */
export const asyncDispose: typeof Symbol.asyncDispose = Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose');
