import { App } from '@slack/bolt';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { createBoltLogger } from '../../../connectors/slack/bolt-logger.ts';
import { Dispatch } from '../../../connectors/slack/dispatch.ts';
import { silentLogger } from '../../../src/logger.ts';

const KINDS = ['event', 'action', 'view', 'command', 'shortcut'] as const;
const user = { id: 'U1', team_id: 'T1' };

/** What Slack sends for this name, by its kind. */
const BODIES: Record<(typeof KINDS)[number], (name: string) => Record<string, unknown>> = {
  event: (type) => ({ type: 'event_callback', team_id: 'T1', event: { type } }),
  action: (action_id) => ({ type: 'block_actions', user, actions: [{ type: 'button', action_id }] }),
  view: (callback_id) => ({ type: 'view_submission', user, view: { callback_id } }),
  command: (command) => ({ command, team_id: 'T1', user_id: 'U1' }),
  shortcut: (callback_id) => ({ type: 'shortcut', user, callback_id }),
};

let on: Dispatch;
let app: App;
/** Who heard what, in words. */
let heard: string[];

beforeEach(() => {
  on = new Dispatch();
  heard = [];
  const nothing = async () => undefined;
  app = new App({
    receiver: { init: () => undefined, start: nothing, stop: nothing },
    logger: createBoltLogger(silentLogger),
    authorize: async () => ({}),
    convoStore: false,
  });
  app.use((args) => on.handle(args));
});

function listen(kind: (typeof KINDS)[number], name: string): void {
  on[kind](name, async () => {
    heard.push(`${kind} ${name}`);
  });
}

const hear = (body: Record<string, unknown>, ack = vi.fn(async () => undefined)) => app.processEvent({ body, ack });

describe.each(KINDS)('%s', (kind) => {
  it('is given to the one handler of its kind and its name', async () => {
    for (const each of KINDS) for (const name of ['this', 'that']) listen(each, name);
    await hear(BODIES[kind]('that'));
    expect(heard).toEqual([`${kind} that`]);
  });

  it('is taken by one handler only', () => {
    listen(kind, 'this');
    expect(() => listen(kind, 'this')).toThrow('Two handlers for this');
  });
});

it.each<[string, Record<string, unknown>]>([
  ['a name that nobody takes', BODIES.action('other')],
  ['a name that every object knows', BODIES.command('constructor')],
  ['an event whose name only begins like it', BODIES.event('this_too')],
  ['an action without a name', { ...BODIES.action('this'), actions: [{ type: 'button' }] }],
  ['a view that was closed', { ...BODIES.view('this'), type: 'view_closed' }],
  ['a question for options', { type: 'block_suggestion', user, action_id: 'this' }],
  ['a dialog', { type: 'dialog_submission', user, callback_id: 'this' }],
])('leaves alone %s', async (_what, body) => {
  for (const kind of KINDS) listen(kind, 'this');
  const ack = vi.fn(async () => undefined);
  await hear(body, ack);
  expect(heard).toEqual([]);
  // Bolt itself acknowledges every event, before anybody hears it.
  expect(ack).toHaveBeenCalledTimes('event' in body ? 1 : 0);
});

it('gives its handler what Bolt knows', async () => {
  const ack = vi.fn(async () => undefined);
  on.view('this', async (args) => {
    expect(args).toMatchObject({ body: BODIES.view('this'), view: { callback_id: 'this' }, context: { teamId: 'T1' } });
    await args.ack({ response_action: 'clear' });
  });
  await hear(BODIES.view('this'), ack);
  expect(ack).toHaveBeenCalledExactlyOnceWith({ response_action: 'clear' });
});

it('lets what its handler throws come to the error handler of Bolt', async () => {
  const failed = vi.fn(async () => undefined);
  app.error(failed);
  const error = new Error('not kept');
  on.command('/this', () => Promise.reject(error));
  await hear(BODIES.command('/this'));
  expect(failed).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ message: 'not kept' }));
});
