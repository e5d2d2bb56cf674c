import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { manifestSchema, type SlackManifest } from './manifest-schema.ts';

/** The app as manifest.yml declares it. @throws ZodError where Slack would refuse it */
export const manifest: SlackManifest = manifestSchema.parse(
  parse(readFileSync(new URL('../../../manifest.yml', import.meta.url), 'utf8')),
);

/** What an installation of it may do. */
export const BOT_SCOPES: ReadonlySet<string> = new Set(manifest.oauth_config.scopes.bot);
