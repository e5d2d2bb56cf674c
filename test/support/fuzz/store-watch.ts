import type { Db, Document } from 'mongodb';
import { expect } from 'vitest';

/** Looks at everything that is stored. */
export interface StoreWatch {
  /** All of it, by collection and id, as text. What time alone changes is left out. */
  look(): Promise<Map<string, string>>;
  /** From here on what is stored now belongs to the world. */
  keepAll(): Promise<void>;
  /** Drop what was stored since the watch was made, so that runs neither see nor slow each other. */
  forgetNew(): Promise<void>;
}

/** Written by delivery and by gateways that hold events in their own time, whether or not anybody asks for anything. */
const BY_THEMSELVES = new Set(['deliveries', 'delivery_cursors', 'inbound_holders', 'api_keys']);

export async function createStoreWatch(db: Db): Promise<StoreWatch> {
  let kept = await idsOf(db);

  return {
    async look() {
      const seen = new Map<string, string>();
      for (const [name, documents] of await documentsOf(db)) {
        if (BY_THEMSELVES.has(name)) continue;
        for (const document of documents) seen.set(`${name}/${String(document['_id'])}`, fingerprint(document));
      }
      return seen;
    },
    async keepAll() {
      kept = await idsOf(db);
    },
    async forgetNew() {
      const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name);
      await Promise.all(names.map((name) => db.collection(name).deleteMany({ _id: { $nin: kept.get(name) ?? [] } })));
    },
  };
}

/** What differs between two looks, in a few words. */
export function changedBetween(before: Map<string, string>, after: Map<string, string>): string[] {
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].flatMap((name) => {
    const [was, is] = [before.get(name), after.get(name)];
    if (was === is) return [];
    return [was === undefined ? `new ${name}` : is === undefined ? `gone ${name}` : `changed ${name}`];
  });
}

/** Names are free below these: a person's metadata, a JSON Schema, a model's arguments. */
const FREE_NAMES = new Set(['metadata', 'input_schema', 'input', 'properties']);

/** @throws when a document holds a name that is an operator or a path to MongoDB, where names are ours */
export function expectNoOperators(looked: Map<string, string>): void {
  for (const [name, text] of looked) {
    const bad = operatorIn(JSON.parse(text));
    if (bad !== null) expect.fail(`${name} holds the name ${JSON.stringify(bad)}`);
  }
}

function operatorIn(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, child] of Object.entries(value)) {
    if (/^\$|\.|^__proto__$/.test(key)) return key;
    const below = FREE_NAMES.has(key) ? null : operatorIn(child);
    if (below !== null) return below;
  }
  return null;
}

function fingerprint(document: Document): string {
  const { log, ...rest } = document;
  if (typeof log !== 'object' || log === null) return JSON.stringify(document);
  return JSON.stringify({ ...rest, log: { ...log, undelivered: null } });
}

async function idsOf(db: Db): Promise<Map<string, Document['_id'][]>> {
  return new Map((await documentsOf(db)).map(([name, documents]) => [name, documents.map(({ _id }) => _id)]));
}

async function documentsOf(db: Db): Promise<Array<[name: string, documents: Document[]]>> {
  const collections = await db.listCollections({}, { nameOnly: true }).toArray();
  return Promise.all(
    collections.map(
      async ({ name }): Promise<[string, Document[]]> => [name, await db.collection(name).find().toArray()],
    ),
  );
}
