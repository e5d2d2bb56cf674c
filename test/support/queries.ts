import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Collection, type CommandStartedEvent, type Db, type Document, MongoClient } from 'mongodb';

/** Everything that a house asks of MongoDB, from the moment it is listened to. */
export interface QueryRecorder extends Disposable {
  /** One command of each shape: the same collection, operation, fields, operators and order. By shape. */
  readonly commands: ReadonlyMap<string, Document>;
  /** Places in the source that sent a query, as `src/x.ts:12`. */
  readonly places: ReadonlySet<string>;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SOURCES = ['src', 'connectors', 'sandbox'];
const METHODS = [
  'find',
  'findOne',
  'findOneAndUpdate',
  'findOneAndReplace',
  'findOneAndDelete',
  'updateOne',
  'updateMany',
  'replaceOne',
  'deleteOne',
  'deleteMany',
  'aggregate',
  'bulkWrite',
  'countDocuments',
  'distinct',
] as const;
/** Commands that look something up. Anything else either looks nothing up or is refused below. */
const QUERIES: ReadonlySet<string> = new Set([
  'find',
  'update',
  'delete',
  'findAndModify',
  'aggregate',
  'distinct',
  'count',
]);
const OTHERS: ReadonlySet<string> = new Set([
  'insert',
  'createIndexes',
  'getMore',
  'killCursors',
  'ping',
  'hello',
  'endSessions',
  'explain',
]);

/** Listen to every client of this process that connects to `database` from now on; the house's URI needs `monitored`. */
export function recordQueries(database: string): QueryRecorder {
  const commands = new Map<string, Document>();
  const places = new Set<string>();
  const undo: Array<() => void> = [];

  const { connect } = MongoClient.prototype;
  MongoClient.prototype.connect = function (this: MongoClient) {
    this.on('commandStarted', keep);
    return connect.call(this);
  };
  undo.push(() => {
    MongoClient.prototype.connect = connect;
  });
  function keep({ commandName, command, databaseName }: CommandStartedEvent): void {
    if (databaseName !== database || OTHERS.has(commandName)) return;
    if (!QUERIES.has(commandName)) throw new Error(`Teach this recorder what ${commandName} is`);
    // Of no collection, as what asks for the time: it looks nothing up.
    if (typeof command[commandName] !== 'string') return;
    for (const one of statementsOf(commandName, command)) commands.set(JSON.stringify(shapeOf(one)), one);
  }

  for (const method of METHODS) {
    const original: (...args: never[]) => unknown = Collection.prototype[method];
    Object.assign(Collection.prototype, {
      [method](this: Collection, ...args: never[]) {
        const place = placeOf(new Error('here').stack ?? '');
        if (place !== null) places.add(place);
        return Reflect.apply(original, this, args);
      },
    });
    undo.push(() => Object.assign(Collection.prototype, { [method]: original }));
  }

  return {
    commands,
    places,
    [Symbol.dispose]() {
      for (const one of undo) one();
    },
  };
}

/** A URI whose clients tell what they send. */
export function monitored(uri: string): string {
  return `${uri}${uri.includes('?') ? '&' : '?'}monitorCommands=true`;
}

/** How MongoDB does it: each step, outermost first, and how many entries and documents all of them look at. */
export interface QueryPlan {
  steps: Array<{ stage: string; index: string | undefined }>;
  examined: number;
  returned: number;
}

export async function planOf(db: Db, command: Document): Promise<QueryPlan> {
  const explained = await db.command({ explain: command, verbosity: 'executionStats' });
  const { queryPlanner, executionStats }: Document = explained['stages']?.[0]?.['$cursor'] ?? explained;
  const { totalKeysExamined, totalDocsExamined, nReturned } = executionStats;
  return {
    steps: stepsOf(queryPlanner['winningPlan']),
    examined: Math.max(totalKeysExamined, totalDocsExamined),
    returned: nReturned,
  };
}

function stepsOf(plan: Document): QueryPlan['steps'] {
  const below: Document[] = [plan['queryPlan'], plan['inputStage'], ...(plan['inputStages'] ?? [])];
  const own = plan['stage'] === undefined ? [] : [{ stage: plan['stage'], index: plan['indexName'] }];
  return [...own, ...below.filter((one) => one !== undefined).flatMap(stepsOf)];
}

/** Explaining takes one statement at a time, without what only its execution needs. */
function statementsOf(name: string, command: Document): Document[] {
  const { lsid: _, $db: __, $clusterTime: ___, writeConcern: ____, txnNumber: _____, ...rest } = command;
  const list = name === 'update' ? 'updates' : name === 'delete' ? 'deletes' : null;
  if (list === null) return [rest];
  return rest[list].map((statement: Document) => ({ ...rest, [list]: [statement] }));
}

/** What two queries share that are planned alike: all but the values. */
function shapeOf(value: unknown, key = ''): unknown {
  // What is written is no part of how it is found.
  if (key === 'u' || (key === 'update' && typeof value !== 'string')) return '…';
  // Names of collections and fields, and the direction of an order.
  if (key === 'key' || QUERIES.has(key)) return value;
  if (key === 'sort') return value instanceof Map ? Object.fromEntries(value) : value;
  if (Array.isArray(value)) return value.map((one) => shapeOf(one)).filter((one, i, all) => i === 0 || one !== all[0]);
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  if (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null) {
    return value.constructor.name;
  }
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [nameOf(name), shapeOf(one, name)]));
}

/** `sessions.agent_01k…` is a field for each agent. */
function nameOf(field: string): string {
  return field.replace(/_[0-9a-z]{20,}/g, '_*');
}

/** The line of the product that called; null when the driver called itself, or a test. */
function placeOf(stack: string): string | null {
  const caller = stack.split('\n')[2] ?? '';
  const [, path, line] = /\(?(?:file:\/\/)?(\/[^():]+):(\d+):\d+\)?$/.exec(caller.trim()) ?? [];
  if (path === undefined) return null;
  const file = relative(ROOT, path);
  return SOURCES.some((folder) => file.startsWith(`${folder}/`)) ? `${file}:${line}` : null;
}

/** Every place in the product's source that sends a query, as `src/x.ts:12`, with its line. */
export function queryPlaces(): QueryPlace[] {
  return SOURCES.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => placesIn(join(folder, file))),
  );
}

interface QueryPlace {
  place: string;
  line: string;
}

/**
 * Every call of a method that only a collection has, whatever it is called on; of `find`, which lists have as well, those on
 * what is known to be a collection.
 */
function placesIn(file: string): QueryPlace[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const names = [
    ...text.matchAll(/(\w+)(?:: Collection<[^=]*?>)?\s*(?:=|:)\s*(?:db\??\.collection|Collection<|\w+In\(db\))/g),
  ].map((match) => match[1]);
  const receivers = [...new Set(names), "\\.collection(?:<[^(]*>)?\\('\\w+'\\)"].join('|');
  const others = METHODS.filter((method) => method !== 'find').join('|');
  // The database's own `aggregate` looks nothing up.
  const calls = new RegExp(
    `(?:(?:\\b|(?=\\.))(?:${receivers})\\s*\\??\\.find|(?<!\\bdb)\\??\\.(?:${others}))(?:<[^>(]*>)?\\(`,
    'g',
  );
  return [...text.matchAll(calls)].map((match) => {
    const number = text.slice(0, match.index + match[0].length).split('\n').length;
    return { place: `${file}:${number}`, line: text.split('\n')[number - 1] ?? '' };
  });
}
