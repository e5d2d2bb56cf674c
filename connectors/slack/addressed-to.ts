import { z } from 'zod';

const id = z.string().nullish();
const named = z.looseObject({ id }).nullish();
const flag = z.union([z.boolean(), z.literal(['true', 'false']).transform((word) => word === 'true')]).nullish();

/** What Slack says about whom something is for, wherever in a body it says so. */
const addressed = z.looseObject({
  type: z.string().optional(),
  authorizations: z.array(z.looseObject({ team_id: id, enterprise_id: id, is_enterprise_install: flag })).nullish(),
  is_enterprise_install: flag,
  enterprise: named,
  enterprise_id: id,
  team: named,
  team_id: id,
  view: z.looseObject({ bot_id: id, app_installed_team_id: id }).nullish(),
  message: z.looseObject({ bot_id: id }).nullish(),
});

export interface Addressed {
  /**
   * The app's own bot whose message or view this is about. Whose click it is says less: in a channel that two companies
   * share, and in an organisation, Slack names the team of whoever clicked.
   */
  bot_id: string | null;
  /** The installation as Slack names it: an organisation's, or a workspace's. Null when it names none. */
  tenant: string | null;
  /** The workspace in which it happened. */
  team_id: string | null;
}

/** An event's first authorization is the installation that hears it (docs.slack.dev/apis/events-api). */
export function addressedTo(body: unknown): Addressed {
  const parsed = addressed.safeParse(body);
  if (!parsed.success) return { bot_id: null, tenant: null, team_id: null };
  const { type, view, message, ...at } = parsed.data;
  const [first] = at.authorizations ?? [];
  if (first !== undefined) {
    const tenant = first.is_enterprise_install === true ? first.enterprise_id : first.team_id;
    return { bot_id: null, tenant: tenant ?? null, team_id: first.team_id ?? at.team_id ?? null };
  }
  const team = view?.app_installed_team_id ?? at.team?.id ?? at.team_id ?? null;
  const enterprise = at.enterprise?.id ?? at.enterprise_id ?? null;
  // A message's shortcut may be about anybody's message.
  const own = type === 'block_actions' ? (message?.bot_id ?? view?.bot_id) : view?.bot_id;
  const isWhole = at.is_enterprise_install === true || team === null;
  return { bot_id: own ?? null, tenant: isWhole ? enterprise : team, team_id: team };
}
