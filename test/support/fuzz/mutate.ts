import fc from 'fast-check';
import { changeAt, type JsonTree, nameOf, type Path, placesOf, print, treeOf } from './json-tree.ts';
import { noJson, ODD_KEYS, oddJson } from './odd-values.ts';

/** Something valid after a few changes, as the text that goes over the wire. */
export interface Mutant {
  json: string;
  /** What was done to it and where, for the report of a counterexample. */
  changes: Array<{ at: string; what: Change['what'] }>;
}

type Change =
  /** Another value of any type in its place. */
  | { what: 'replace'; json: string }
  | { what: 'delete' }
  /** An item again and again, or a key a second time with another value. */
  | { what: 'repeat'; times: number; json: string }
  | { what: 'add_key'; key: string; json: string }
  | { what: 'rename'; key: string }
  /** Inside a list, or under an operator of MongoDB's. */
  | { what: 'wrap'; in: 'list' | '$ne' | '$eq' | 'value' };

const key = fc.constantFrom(...ODD_KEYS);
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ what: fc.constant('replace'), json: oddJson }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('replace'), json: noJson }) },
  { weight: 3, arbitrary: fc.record({ what: fc.constant('delete') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constant('repeat'),
      times: fc.constantFrom(1, 2, 20, 101, 1001),
      json: oddJson,
    }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('add_key'), key, json: oddJson }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('rename'), key }) },
  {
    weight: 1,
    arbitrary: fc.record({ what: fc.constant('wrap'), in: fc.constantFrom('list', '$ne', '$eq', 'value') }),
  },
);

/** `valid` changed in one place, sometimes in two or three. */
export function mutants(valid: unknown): fc.Arbitrary<Mutant> {
  const steps = fc.array(fc.tuple(fc.nat(), change), { minLength: 1, maxLength: 3, size: '-1' });
  return steps.map((chosen) => {
    let tree = treeOf(valid);
    const changes: Mutant['changes'] = [];
    for (const [place, what] of chosen) {
      const places = placesOf(tree);
      const path = places[place % places.length] ?? [];
      changes.push({ at: nameOf(tree, path), what: what.what });
      tree = apply(tree, path, what);
    }
    return { json: print(tree), changes };
  });
}

function apply(tree: JsonTree, path: Path, what: Change): JsonTree {
  const within = path.slice(0, -1);
  const index = path.at(-1);
  switch (what.what) {
    case 'replace':
      return changeAt(tree, path, () => text(what.json));
    case 'add_key':
      return changeAt(tree, path, (at) =>
        at.kind === 'object' ? { ...at, entries: [...at.entries, [what.key, text(what.json)]] } : at,
      );
    case 'wrap':
      return changeAt(tree, path, (at) =>
        what.in === 'list' ? { kind: 'array', items: [at] } : { kind: 'object', entries: [[what.in, at]] },
      );
    case 'delete':
      return index === undefined ? text('') : changeAt(tree, within, (at) => without(at, index));
    case 'repeat':
      return index === undefined ? tree : changeAt(tree, within, (at) => repeated(at, index, what));
    case 'rename':
      return index === undefined ? tree : changeAt(tree, within, (at) => renamed(at, index, what.key));
    default:
      return what satisfies never;
  }
}

function without(tree: JsonTree, index: number): JsonTree {
  if (tree.kind === 'object') return { ...tree, entries: tree.entries.toSpliced(index, 1) };
  return tree.kind === 'array' ? { ...tree, items: tree.items.toSpliced(index, 1) } : tree;
}

function repeated(tree: JsonTree, index: number, what: Extract<Change, { what: 'repeat' }>): JsonTree {
  if (tree.kind === 'object') {
    const name = tree.entries[index]?.[0] ?? '';
    return { ...tree, entries: [...tree.entries, [name, text(what.json)]] };
  }
  const item = tree.kind === 'array' ? tree.items[index] : undefined;
  if (tree.kind !== 'array' || item === undefined) return tree;
  return { ...tree, items: [...tree.items, ...Array.from({ length: what.times }, () => item)] };
}

function renamed(tree: JsonTree, index: number, name: string): JsonTree {
  if (tree.kind !== 'object') return tree;
  return { ...tree, entries: tree.entries.map(([old, value], at) => [at === index ? name : old, value]) };
}

function text(json: string): JsonTree {
  return { kind: 'text', text: json };
}
