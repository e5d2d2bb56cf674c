import type { Connector } from './connector.ts';
import type { ConversationKey, Mention } from './place.ts';

type Namer = Pick<Connector, 'nameOf' | 'groups'>;

/** What people, groups and channels of a policy are called, by the ids that it has them under (`slack:group:S1`). */
export type NameOf = (id: string) => string;

/**
 * Ask the platforms, once for each id. Never rejects: what nobody knows is called by its id there.
 * @param at where it is asked: ids of that platform are its tenant's
 */
export async function namesOf(
  connectors: ReadonlyMap<string, Namer>,
  ids: readonly string[],
  at: Pick<ConversationKey, 'connector' | 'tenant'>,
): Promise<NameOf> {
  const names = new Map<string, string>();
  await Promise.all(
    ids.map(async (key) => {
      const target = targetOf(key);
      const tenant = target.via === at.connector ? at.tenant : null;
      names.set(key, await nameOf(connectors.get(target.via), target, tenant));
    }),
  );
  return (key) => names.get(key) ?? targetOf(key).id;
}

async function nameOf(connector: Namer | undefined, { kind, id }: Target, tenant: string | null): Promise<string> {
  switch (kind) {
    case 'person':
      return (await connector?.nameOf({ id, name: id }, tenant)) ?? id;
    case 'group':
      return `@${(await connector?.groups?.nameOf(id, tenant)) ?? id}`;
    case 'channel':
      return `#${id}`;
    default:
      return kind satisfies never;
  }
}

/** Whom the platform itself can mention, of those that a policy names. */
export function mentionsOf(ids: readonly string[], via: string): Mention[] {
  return ids
    .map(targetOf)
    .filter((target) => target.via === via)
    .map(({ kind, id }) => ({ kind, id }));
}

/** Somebody or somewhere that a policy names, on the platform `via`. */
export interface Target extends Mention {
  via: string;
}

/** `slack:U1`, `slack:group:S1`, `slack:channel:C1`. */
export function targetOf(key: string): Target {
  const [via = '', ...rest] = key.split(':');
  const kind = rest[0] === 'group' || rest[0] === 'channel' ? rest[0] : 'person';
  return { via, kind, id: (kind === 'person' ? rest : rest.slice(1)).join(':') };
}
