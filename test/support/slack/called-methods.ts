import { readdirSync, readFileSync } from 'node:fs';

const CONNECTOR = new URL('../../../connectors/slack/', import.meta.url);

export const connectorSource = readdirSync(CONNECTOR)
  .map((file) => readFileSync(new URL(file, CONNECTOR), 'utf8'))
  .join('\n');

/** What the connector calls of the Web API: every call is written `web.area.method(`; the socket's own is its client's. */
export const calledMethods: ReadonlySet<string> = new Set([
  'apps.connections.open',
  ...[...connectorSource.matchAll(/\bweb\.([a-zA-Z0-9.]+)\(/g)].flatMap(([, method]) => method ?? []),
]);
