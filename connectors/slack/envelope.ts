import type { App, ReceiverEvent } from '@slack/bolt';
import { z } from 'zod';
import type { Logger } from '../../src/logger.ts';

const named = z.looseObject({ id: z.string() });
const text = z.string().nullish();

/** As far as Bolt itself looks into what arrives, without asking whether it is there. */
const envelope = z
  .looseObject({
    type: z.string(),
    event: z.looseObject({
      type: z.string(),
      channel: z.union([z.string(), named]).optional(),
      user: z.union([z.string(), named]).optional(),
      subteam: z.looseObject({}).optional(),
      item: z.looseObject({}).optional(),
    }),
    authorizations: z.array(z.looseObject({ team_id: text, enterprise_id: text })),
    command: z.string(),
    name: z.string(),
    actions: z.array(z.looseObject({ action_id: z.string().optional() })).min(1),
    view: z.looseObject({ callback_id: text }),
    channel: named,
    team: named.nullable(),
    user: z.looseObject({}),
    enterprise: named.nullable(),
    team_id: text,
    enterprise_id: text,
    is_enterprise_install: z.union([z.boolean(), z.string()]),
    function_data: z.looseObject({}),
    response_url: z.string(),
    response_urls: z.array(z.looseObject({ response_url: z.string() })),
  })
  .partial()
  .refine((body) => body.event !== undefined || body.command !== undefined || body.user !== undefined)
  .refine((body) => !body.type?.startsWith('view_') || body.view !== undefined);

/**
 * Bolt behind a gate. What it could not take apart would end in a TypeError, and what no listener wants in no answer at
 * all: Slack would deliver the one again to the same end, and show a person a warning for the other. Both are
 * acknowledged here, without an effect.
 */
export function guarded(app: App, logger: Logger): App {
  async function processEvent(event: ReceiverEvent): Promise<void> {
    if (!envelope.safeParse(event.body).success) {
      logger.warn({}, 'slack sent something that cannot be read; it is left out');
      await event.ack();
      return;
    }
    let acknowledged = false;
    await app.processEvent({
      ...event,
      async ack(response) {
        acknowledged = true;
        await event.ack(response);
      },
    });
    if (!acknowledged) await event.ack();
  }
  return Object.assign(Object.create(app) as App, { processEvent });
}
