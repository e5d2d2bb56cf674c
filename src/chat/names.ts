import type { Connector, Mention } from './connector.ts';

type Namer = Pick<Connector, 'nameOf' | 'groups'>;

/** What people and groups of a policy are called, by the ids that it has them under (`slack:U1`, `slack:group:S1`). */
export type NameOf = (id: string) => string;

/** Ask the platforms, once for each id. Never rejects: what nobody knows is called by its id there. */
export async function namesOf(connectors: ReadonlyMap<string, Namer>, ids: readonly string[]): Promise<NameOf> {
  const names = new Map<string, string>();
  await Promise.all(
    ids.map(async (key) => {
      const { via, kind, id } = targetOf(key);
      const connector = connectors.get(via);
      const asked = kind === 'group' ? connector?.groups?.nameOf(id) : connector?.nameOf({ id, name: id });
      const name = (await asked) ?? id;
      names.set(key, kind === 'group' ? `@${name}` : name);
    }),
  );
  return (key) => names.get(key) ?? targetOf(key).id;
}

/** Whom the platform itself can mention, of those that a policy names. */
export function mentionsOf(ids: readonly string[], via: string): Mention[] {
  return ids
    .map(targetOf)
    .filter((target) => target.via === via)
    .map(({ kind, id }) => ({ kind, id }));
}

function targetOf(key: string): { via: string; kind: 'person' | 'group'; id: string } {
  const [via = '', ...rest] = key.split(':');
  if (rest[0] === 'group') return { via, kind: 'group', id: rest.slice(1).join(':') };
  return { via, kind: 'person', id: rest.join(':') };
}
