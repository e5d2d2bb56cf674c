/**
 * JSON as it is written rather than as it is understood, so that a test can say what `JSON.stringify` cannot: the same
 * key twice, `__proto__` as a key, half a surrogate pair, 1e309.
 */
export type JsonTree =
  | { kind: 'object'; entries: Array<[key: string, value: JsonTree]> }
  | { kind: 'array'; items: JsonTree[] }
  /** Literally this text: a scalar, or something of any size and depth. */
  | { kind: 'text'; text: string };

export type Path = readonly number[];

export function treeOf(value: unknown): JsonTree {
  if (Array.isArray(value)) return { kind: 'array', items: value.map(treeOf) };
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, child]) => child !== undefined);
    return { kind: 'object', entries: entries.map(([key, child]) => [key, treeOf(child)]) };
  }
  return { kind: 'text', text: JSON.stringify(value) };
}

export function print(tree: JsonTree): string {
  switch (tree.kind) {
    case 'object':
      return `{${tree.entries.map(([key, value]) => `${JSON.stringify(key)}:${print(value)}`).join(',')}}`;
    case 'array':
      return `[${tree.items.map(print).join(',')}]`;
    case 'text':
      return tree.text;
    default:
      return tree satisfies never;
  }
}

/** Every place of the tree, the root first, each as the positions on the way to it. */
export function placesOf(tree: JsonTree): Path[] {
  return [[], ...childrenOf(tree).flatMap((child, index) => placesOf(child).map((path) => [index, ...path]))];
}

/** The place as an error message names it: `tools.0.name`. */
export function nameOf(tree: JsonTree, path: Path): string {
  const [index, ...rest] = path;
  if (index === undefined) return '';
  const key = tree.kind === 'object' ? (tree.entries[index]?.[0] ?? '') : String(index);
  const child = childrenOf(tree)[index];
  const below = child === undefined ? '' : nameOf(child, rest);
  return below === '' ? key : `${key}.${below}`;
}

/** The tree with something else at one place. */
export function changeAt(tree: JsonTree, path: Path, change: (at: JsonTree) => JsonTree): JsonTree {
  const [index, ...rest] = path;
  if (index === undefined) return change(tree);
  if (tree.kind === 'array') {
    return { kind: 'array', items: tree.items.map((item, at) => (at === index ? changeAt(item, rest, change) : item)) };
  }
  if (tree.kind === 'object') {
    const entries = tree.entries.map(([key, value], at): [string, JsonTree] =>
      at === index ? [key, changeAt(value, rest, change)] : [key, value],
    );
    return { kind: 'object', entries };
  }
  return tree;
}

function childrenOf(tree: JsonTree): JsonTree[] {
  if (tree.kind === 'array') return tree.items;
  return tree.kind === 'object' ? tree.entries.map(([, value]) => value) : [];
}
