import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AppsManifestValidateArguments } from '@slack/web-api';
import { z } from 'zod';

/*
 * What Slack takes as a manifest (docs.slack.dev/reference/app-manifest): which keys there are comes from the type that
 * Slack publishes in @slack/web-api, and the limits from the words beside it. Scopes and events are read from that file
 * as it is installed, so a newer one is followed without a change here.
 */
export const PUBLISHED_TYPE = createRequire(import.meta.url).resolve('@slack/web-api/dist/types/request/manifest.d.ts');
const published = readFileSync(PUBLISHED_TYPE, 'utf8');

type Manifest = AppsManifestValidateArguments['manifest'];

/** The words of a union of that file. */
export function unionOf(name: string): string[] {
  const [, body] = new RegExp(String.raw`^type ${name} = ([^;]+);`, 'm').exec(published) ?? [];
  const words = [...(body ?? '').matchAll(/'([^']+)'/g)].flatMap(([, word]) => word ?? []);
  if (words.length === 0) throw new Error(`@slack/web-api publishes no ${name} any more`);
  return words;
}

/** Ours: newer than the published lists. */
export const NEWER_SCOPES = [
  // docs.slack.dev/ai/agent-sessions: declaring an app as an agent adds it.
  'assistant:write',
];
export const NEWER_EVENTS = [
  // docs.slack.dev/reference/events/agent_session_stopped
  'agent_session_stopped',
];

const text = (max: number) => z.string().min(1).max(max);
const httpsUrl = z.url({ protocol: /^https$/ });
const scope = z.enum([...unionOf('BotScope'), ...NEWER_SCOPES]);
const event = z.enum([...unionOf('ManifestEvent'), ...NEWER_EVENTS]);
const unique = <T extends z.ZodType>(item: T, max: number) =>
  z
    .array(item)
    .max(max)
    .refine((list) => new Set(list).size === list.length, 'says something twice');

const prompt = z.strictObject({ title: text(1_000), message: text(1_000) });

const features = z.strictObject({
  agent_view: z.strictObject({
    agent_description: text(300),
    suggested_prompts: z.array(prompt).max(4).optional(),
    actions: z.array(z.strictObject({ name: text(1_000), description: text(1_000) })).optional(),
  }),
  app_home: z.strictObject({
    home_tab_enabled: z.boolean().optional(),
    messages_tab_enabled: z.boolean().optional(),
    messages_tab_read_only_enabled: z.boolean().optional(),
  }),
  bot_user: z.strictObject({
    display_name: text(80).regex(/^[a-z0-9._-]+$/),
    always_online: z.boolean().optional(),
  }),
  shortcuts: z
    .array(
      z.strictObject({
        type: z.enum(['global', 'message']),
        // docs.slack.dev/reference/app-manifest
        name: text(24),
        callback_id: text(255),
        description: text(150),
      }),
    )
    .max(10),
  slash_commands: z
    .array(
      z.strictObject({
        command: text(32).regex(/^\/[a-z0-9_-]+$/),
        description: text(2_000),
        should_escape: z.boolean().optional(),
        url: httpsUrl.optional(),
        usage_hint: text(1_000).optional(),
      }),
    )
    .max(50),
  unfurl_domains: z.array(z.string()).max(5).optional(),
} satisfies Partial<Record<keyof NonNullable<Manifest['features']>, z.ZodType>>);

const settings = z.strictObject({
  allowed_ip_address_ranges: z.array(z.string()).max(50).optional(),
  event_subscriptions: z.strictObject({
    bot_events: unique(event, 100),
    request_url: httpsUrl.optional(),
  }),
  interactivity: z.strictObject({
    is_enabled: z.boolean(),
    message_menu_options_url: httpsUrl.optional(),
    request_url: httpsUrl.optional(),
  }),
  org_deploy_enabled: z.boolean(),
  socket_mode_enabled: z.boolean(),
  token_rotation_enabled: z.boolean(),
} satisfies Partial<Record<keyof NonNullable<Manifest['settings']>, z.ZodType>>);

/** Refuses keys that it does not know. What an agent with people in front of it needs is required. */
export const manifestSchema = z.strictObject({
  _metadata: z.strictObject({
    major_version: z.union([z.literal(1), z.literal(2)]),
    minor_version: z.int().optional(),
  }),
  display_information: z.strictObject({
    name: text(35),
    description: text(140).optional(),
    // docs.slack.dev/reference/app-manifest: at least 175.
    long_description: text(4_000).min(175).optional(),
    background_color: z
      .string()
      .regex(/^#([0-9a-f]{3}|[0-9a-f]{6})$/i)
      .optional(),
  }),
  features,
  oauth_config: z.strictObject({
    redirect_urls: z.array(httpsUrl).max(1_000).optional(),
    scopes: z.strictObject({ bot: unique(scope, 255) }),
    token_management_enabled: z.boolean().optional(),
  } satisfies Partial<Record<keyof NonNullable<Manifest['oauth_config']>, z.ZodType>>),
  settings,
});

export type SlackManifest = z.infer<typeof manifestSchema>;
