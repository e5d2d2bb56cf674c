import { describe, expect, it } from 'vitest';
import { parseClick, parseMessage, parseStop, parseSubmission } from '../../../connectors/slack/parse.ts';
import { identity, saidEvent } from '../../support/slack/said-event.ts';

const parse = (event: Record<string, unknown>) => parseMessage(saidEvent(event), identity);

describe('parsing a message event', () => {
  it('reads a mention', async () => {
    expect(parse({ type: 'app_mention', text: '<@U0BOT> deploy' })).toEqual({
      event_id: 'Ev1',
      message_id: '5.000001',
      conversation: { connector: 'slack', tenant: 'T1', channel: 'C1', thread: '5.000001' },
      sender: { id: 'U1', name: 'U1' },
      text: '<@U0BOT> deploy',
      addressed: true,
    });
  });

  it('reads a mention that came as a plain message the same way', async () => {
    const [mention, message] = ['app_mention', 'message'].map((type) => parse({ type, text: '<@U0BOT> deploy' }));
    expect(message).toEqual(mention);
  });

  it('takes the installation for tenant, whatever team the event names', async () => {
    const message = parse({ type: 'app_mention', team: 'T_OTHER', user_team: 'T_OTHER' });
    expect(message?.conversation.tenant).toBe('T1');
  });

  it.each([
    ['a reply without a mention', { thread_ts: '1.1' }, false],
    ['a reply with one', { thread_ts: '1.1', text: 'you, <@U0BOT>?' }, true],
    ['what is said at a channel top level without a mention', {}, false],
    ['a direct message', { channel: 'D1', channel_type: 'im' }, true],
    [
      'a group message without a mention, in a thread',
      { channel: 'G1', channel_type: 'mpim', thread_ts: '1.1' },
      false,
    ],
  ])('knows whether %s addresses the bot', async (_what, event, addressed) => {
    expect(parse(event)?.addressed).toBe(addressed);
  });

  it.each([
    ['a person', 'wait for <@U2>', true],
    ['a named person of another team', '<@W2|cleo> wait', true],
    ['a group', 'ask <!subteam^S1|@ops>', true],
    ['nobody', 'wait', undefined],
    ['everybody', '<!here> look', undefined],
    ['a person and the bot', '<@U2> and <@U0BOT>', undefined],
  ])('knows that a message mentions %s', async (_whom, text, to_others) => {
    expect(parse({ text })?.to_others).toBe(to_others);
  });

  it.each([
    [{}, undefined],
    [{ thread_ts: '5.000001' }, undefined],
    [{ thread_ts: '1.1' }, 'all'],
    [{ thread_ts: '1.1', channel: 'D1', channel_type: 'im' }, 'first'],
  ])('knows what may have been said before', async (event, follows) => {
    expect(parse(event)?.follows).toBe(follows);
  });

  it.each([
    ['by this bot', { thread_ts: '1.1', user: 'U0BOT' }],
    ['by another bot', { thread_ts: '1.1', bot_id: 'B9' }],
    ['by another bot that mentions this one', { type: 'app_mention', bot_id: 'B9', text: '<@U0BOT> hi' }],
    ['by nobody', { channel: 'D1', channel_type: 'im', user: '' }],
    ['by Slackbot', { channel: 'D1', channel_type: 'im', user: 'USLACKBOT' }],
    ['an edit', { subtype: 'message_changed', thread_ts: '1.1', message: {}, hidden: true }],
    ['a deletion', { subtype: 'message_deleted', thread_ts: '1.1' }],
    ['somebody joining', { subtype: 'channel_join' }],
    ['an old-style bot message', { subtype: 'bot_message', user: undefined, thread_ts: '1.1' }],
  ])('leaves out what is %s', async (_what, event) => {
    expect(parse(event)).toBeNull();
  });

  it('leaves out a body that is no message at all', async () => {
    for (const body of [
      null,
      'text',
      {},
      { event_id: 'Ev1' },
      { event_id: 'Ev1', event: { type: 'reaction_added' } },
    ]) {
      expect(parseMessage(body, identity)).toBeNull();
    }
  });

  it('takes a reply that is also shown in the channel, and attached files', async () => {
    const broadcast = parse({ subtype: 'thread_broadcast', thread_ts: '1.1', text: 'for all' });
    expect(broadcast?.text).toBe('for all');
    const files = [
      { id: 'F1', name: 'plan.pdf' },
      { id: 'F2', name: null, title: 'Sketch' },
      { id: 'F3' },
      { id: 7 },
      'F4',
    ];
    const share = parse({ subtype: 'file_share', channel: 'D1', channel_type: 'im', text: '', files });
    expect(share?.text).toBe('');
    expect(share?.files).toEqual([
      { id: 'F1', name: 'plan.pdf' },
      { id: 'F2', name: 'Sketch' },
      { id: 'F3', name: 'a file' },
    ]);
  });
});

describe('parsing what people press', () => {
  const click = {
    type: 'block_actions',
    user: { id: 'U1' },
    team: { id: 'T_OTHER' },
    channel: { id: 'C1' },
    container: { message_ts: '7.1', thread_ts: '5.1' },
    trigger_id: '1.2.3',
    response_url: 'http://slack.test/r',
    actions: [
      {
        action_id: 'deckhand_approve',
        action_ts: '9.1',
        value: JSON.stringify({ approval_id: 'appr_1', thread: '5.1' }),
      },
    ],
  };

  it('gives one press one id, and another press another', () => {
    const first = parseClick(click);
    expect(first).toMatchObject({ approval_id: 'appr_1', thread: '5.1', channel: 'C1', user: 'U1' });
    expect(parseClick(structuredClone(click))?.event_id).toBe(first?.event_id);
    const again = { ...click, actions: [{ ...click.actions[0], action_ts: '9.2' }] };
    expect(parseClick(again)?.event_id).not.toBe(first?.event_id);
    expect(parseClick({ ...click, user: { id: 'U2' } })?.event_id).not.toBe(first?.event_id);
  });

  it.each(['', 'x', '{}', '{"approval_id":1,"thread":"x"}'])('leaves out a button that is not ours (%s)', (value) => {
    expect(parseClick({ ...click, actions: [{ ...click.actions[0], value }] })).toBeNull();
  });

  it('reads a modal with and without a reason', () => {
    const memory = { channel: 'C1', thread: '5.1', approval_id: 'appr_1' };
    const view = (value: string | null) => ({
      user: { id: 'U1' },
      view: {
        id: 'V1',
        private_metadata: JSON.stringify(memory),
        state: { values: { reason: { reason: { value } } } },
      },
    });
    expect(parseSubmission(view(' too broad '))).toMatchObject({ ...memory, reason: 'too broad', user: 'U1' });
    expect(parseSubmission(view('  '))?.reason).toBeNull();
    expect(parseSubmission(view(null))?.reason).toBeNull();
    expect(
      parseSubmission({ user: { id: 'U1' }, view: { id: 'V1', private_metadata: '', state: { values: {} } } }),
    ).toBeNull();
  });

  it('reads the Stop button', async () => {
    const event = {
      type: 'agent_session_stopped',
      channel: 'C1',
      user: 'U1',
      thread_ts: '5.1',
      streaming_message_ts: [],
      event_ts: '9.9',
    };
    expect(parseStop({ event_id: 'Ev2', event }, identity)).toEqual({
      event_id: 'Ev2',
      conversation: { connector: 'slack', tenant: 'T1', channel: 'C1', thread: '5.1' },
      person: { id: 'U1', name: 'U1' },
    });
    expect(parseStop({ event_id: 'Ev2', event: { type: 'message' } }, identity)).toBeNull();
  });
});
