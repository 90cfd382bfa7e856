/** What a module exports, in the alphabet's order: Node lists it so, and what bundles or tests a package may not. */
export const byName = <M extends object>(module: M): M =>
  Object.fromEntries(Object.entries(module).toSorted(([one], [other]) => (one < other ? -1 : 1))) as M;
