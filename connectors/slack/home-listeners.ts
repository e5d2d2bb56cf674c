import { z } from 'zod';
import type { InboundCommand, Receiver } from '../../src/chat/inbound.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { withoutSecrets } from './bolt-logger.ts';
import type { CommandListeners } from './command-listeners.ts';
import { SLACK } from './conversation-id.ts';
import type { Dispatch } from './dispatch.ts';
import type { HomeDrawing } from './draw-home.ts';
import { HOME } from './home-view.ts';
import type { InFlight } from './in-flight.ts';
import type { SlackClients } from './installations.ts';
import { type Identity, personOf } from './parse.ts';
import { slackId } from './slack-id.ts';

export interface HomeParts {
  logger: Logger;
  clients: SlackClients;
  inFlight: InFlight;
  /** The installation that this was sent to, and who takes it. @throws NotInstalledError, or until the connector is started */
  connected: (body: unknown) => Promise<{ identity: Identity; receiver: Receiver }>;
  receiver: () => Receiver;
}

const opened = z.object({ event: z.object({ user: slackId, tab: z.string() }) });
const pressed = z.object({
  user: z.object({ id: slackId }),
  trigger_id: slackId,
  actions: z.array(z.object({ action_ts: slackId, value: z.string().optional() })).min(1),
});

/** A press of a button on somebody's Home tab. */
interface Press {
  identity: Identity;
  user: string;
  trigger_id: string;
  action_ts: string;
  value: string;
}

/** The Home tab: drawn when it is opened, and again after everything that is done on it. */
export function createHomeListeners(
  on: Dispatch,
  parts: HomeParts,
  { commands, refresh }: { commands: CommandListeners; refresh: HomeDrawing['refresh'] },
): void {
  const { logger, inFlight, connected } = parts;

  function follow(work: Promise<unknown>): void {
    inFlight.follow(work, (error) => {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'the home tab was not drawn');
    });
  }

  on.event('app_home_opened', async ({ body }) => {
    const parsed = opened.safeParse(body);
    if (parsed.data?.event.tab !== 'home') return;
    const { identity } = await connected(body);
    follow(refresh(identity.tenant, parsed.data.event.user));
  });

  function onPress(action: string, handle: (press: Press) => Promise<void>): void {
    on.action(action, async ({ body, ack }) => {
      const parsed = pressed.safeParse(body);
      const [first] = parsed.data?.actions ?? [];
      if (parsed.data !== undefined && first !== undefined) {
        const { user, trigger_id } = parsed.data;
        const { identity } = await connected(body);
        await handle({ identity, user: user.id, trigger_id, action_ts: first.action_ts, value: first.value ?? '' });
      }
      await ack();
    });
  }

  /** A command that a button stands for. Nobody's channel: its answer is shown on the tab. */
  function onCommand(action: string, name: InboundCommand['name'], textOf: (value: string) => string): void {
    onPress(action, async ({ identity: { tenant }, user, trigger_id, action_ts, value }) => {
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
}
