import type { App } from '@slack/bolt';
import { z } from 'zod';
import type { InboundCommand, Overview, Receiver } from '../../src/chat/inbound.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { withoutSecrets } from './bolt-logger.ts';
import type { SlackClient } from './client.ts';
import type { CommandListeners } from './command-listeners.ts';
import { SLACK } from './conversation-id.ts';
import { HOME, homeTrouble, homeView, parseHomeApproval } from './home-view.ts';
import type { InFlight } from './in-flight.ts';
import { decisionOf, type Identity, personOf } from './parse.ts';

const PUBLISH_MS = 10_000;

export interface HomeParts {
  logger: Logger;
  client: SlackClient;
  inFlight: InFlight;
  /** Throws until the connector is started. */
  connected: () => { identity: Identity; receiver: Receiver };
}

const opened = z.object({ event: z.object({ user: z.string(), tab: z.string() }) });
const pressed = z.object({
  user: z.object({ id: z.string() }),
  trigger_id: z.string(),
  actions: z.array(z.object({ action_ts: z.string(), value: z.string().optional() })).min(1),
});

/** A press of a button on somebody's Home tab. */
interface Press {
  user: string;
  trigger_id: string;
  action_ts: string;
  value: string;
}

/** Draws the Home tab of one person; `notice` says what became of what they did there. */
export function createHome({ logger, client, connected }: Omit<HomeParts, 'inFlight'>) {
  return async function refresh(userId: string, notice?: string): Promise<void> {
    const { identity, receiver } = connected();
    let overview: Overview | null = null;
    try {
      overview = await receiver.overview({ connector: SLACK, tenant: identity.tenant }, personOf(userId));
    } catch (error) {
      logger.error({ reason: withoutSecrets(messageOf(error)) }, 'the home tab could not be read');
    }
    const view = overview === null ? homeTrouble() : homeView(overview, notice);
    await client.call((web) => web.views.publish({ user_id: userId, view }), AbortSignal.timeout(PUBLISH_MS));
  };
}

/** The Home tab: drawn when it is opened, and again after everything that is done on it. */
export function createHomeListeners(
  app: App,
  parts: HomeParts,
  { commands, refresh }: { commands: CommandListeners; refresh: (userId: string, notice?: string) => Promise<void> },
): void {
  const { logger, inFlight, connected } = parts;

  function follow(work: Promise<unknown>): void {
    inFlight.follow(work, (error) => {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'the home tab was not drawn');
    });
  }

  app.event('app_home_opened', async ({ body }) => {
    const parsed = opened.safeParse(body);
    if (parsed.data?.event.tab === 'home') follow(refresh(parsed.data.event.user));
  });

  function onPress(action: string, handle: (press: Press) => Promise<void>): void {
    app.action(action, async ({ body, ack }) => {
      const parsed = pressed.safeParse(body);
      const [first] = parsed.data?.actions ?? [];
      if (parsed.data !== undefined && first !== undefined) {
        const { user, trigger_id } = parsed.data;
        await handle({ user: user.id, trigger_id, action_ts: first.action_ts, value: first.value ?? '' });
      }
      await ack();
    });
  }

  /** A command that a button stands for. Nobody's channel: its answer is shown on the tab. */
  function onCommand(action: string, name: InboundCommand['name'], textOf: (value: string) => string): void {
    onPress(action, async ({ user, trigger_id, action_ts, value }) => {
      const { tenant } = connected().identity;
      const command: InboundCommand = {
        event_id: `home:${action}:${user}:${action_ts}`,
        conversation: { connector: SLACK, tenant, channel: user, thread: user },
        person: personOf(user),
        name,
        text: textOf(value),
      };
      await commands.ask({ command, trigger_id, response_url: undefined }, true);
    });
  }

  onCommand(HOME.create, 'agents', () => 'new');
  onCommand(HOME.edit, 'agents', (agent) => `edit ${agent}`);
  onCommand(HOME.stop, 'sessions', (session) => `stop ${session}`);

  for (const [action, decision] of [
    [HOME.approve, 'allow'],
    [HOME.deny, 'deny'],
  ] as const) {
    onPress(action, async ({ user, action_ts, value }) => {
      const { identity, receiver } = connected();
      const about = parseHomeApproval(value);
      if (about === null) return;
      const from = { ...about, event_id: `home:${action}:${user}:${action_ts}`, user };
      const kept = await receiver.decision(decisionOf(from, decision, null, identity));
      follow(kept.receipt.then(({ text }) => refresh(user, text ?? undefined)));
    });
  }
}
