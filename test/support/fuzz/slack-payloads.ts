import { APPROVE_ACTION, DENY_ACTION } from '../../../connectors/slack/approval-blocks.ts';
import { DENY_VIEW } from '../../../connectors/slack/deny-modal.ts';
import { FORM_VIEW } from '../../../connectors/slack/form-modal.ts';
import { HOME } from '../../../connectors/slack/home-view.ts';

/** How Slack carries a payload: an event as JSON, an interaction as one field of a form, a command as a form. */
export interface SlackPayload {
  type: 'events_api' | 'interactive' | 'slash_commands';
  payload: Record<string, unknown>;
}

const team = { id: 'T0DECKHAND', domain: 'deckhand' };
const user = { id: 'U0ANA', username: 'ana', name: 'ana', team_id: 'T0DECKHAND' };
const channel = { id: 'C0OPS', name: 'ops' };

/** `{nonce}` differs from run to run; `{thread}` holds a card for `{approval}`. */
function event(body: Record<string, unknown>): SlackPayload {
  return {
    type: 'events_api',
    payload: {
      token: 'verification-token',
      team_id: 'T0DECKHAND',
      api_app_id: 'A0DECKHAND',
      event: { channel: 'C0OPS', user: 'U0ANA', ts: '{nonce}', event_ts: '{nonce}', ...body },
      type: 'event_callback',
      event_id: 'Ev{nonce}',
      event_time: 1_763_000_000,
      authorizations: [
        {
          enterprise_id: null,
          team_id: 'T0DECKHAND',
          user_id: 'U0DECKHAND',
          is_bot: true,
          is_enterprise_install: false,
        },
      ],
      is_ext_shared_channel: false,
    },
  };
}

function interaction(body: Record<string, unknown>): SlackPayload {
  const common = { team, user, api_app_id: 'A0DECKHAND', enterprise: null, is_enterprise_install: false };
  return { type: 'interactive', payload: { ...common, trigger_id: '1.2.{nonce}', ...body } };
}

function click(action_id: string): SlackPayload {
  return interaction({
    type: 'block_actions',
    container: {
      type: 'message',
      message_ts: '{nonce}',
      channel_id: 'C0OPS',
      is_ephemeral: false,
      thread_ts: '{thread}',
    },
    channel,
    message: { type: 'message', ts: '{nonce}', text: 'x', blocks: [] },
    state: { values: {} },
    actions: [
      {
        type: 'button',
        action_id,
        block_id: 'approval',
        value: '{"approval_id":"{approval}","thread":"{thread}"}',
        action_ts: '{nonce}',
        text: { type: 'plain_text', text: 'Approve' },
      },
    ],
  });
}

const message = {
  type: 'message',
  channel_type: 'channel',
  text: '<@U0DECKHAND> deploy <#C0OPS|ops> &amp; tell <@U0BEN>',
};
const view = {
  id: 'V{nonce}',
  type: 'modal',
  callback_id: DENY_VIEW,
  private_metadata: '{"channel":"C0OPS","thread":"{thread}","approval_id":"{approval}"}',
  state: { values: { reason: { reason: { type: 'plain_text_input', value: 'Too broad.' } } } },
  blocks: [],
};

/** A valid one of every kind that Slack sends, wanted here or not. */
export const SLACK_PAYLOADS: Record<string, SlackPayload> = {
  'a message with a mention': event(message),
  'a mention': event({ ...message, type: 'app_mention' }),
  'a reply in a thread': event({ ...message, thread_ts: '{thread}' }),
  'a direct message': event({ ...message, channel: 'D0ANA', channel_type: 'im', text: 'deploy' }),
  'a message with files': event({
    ...message,
    subtype: 'file_share',
    files: [{ id: 'F1', name: 'a.txt', title: 'A' }],
  }),
  'an edit': event({ ...message, subtype: 'message_changed', message, previous_message: message, hidden: true }),
  'a deletion': event({ ...message, subtype: 'message_deleted', deleted_ts: '{thread}', previous_message: message }),
  'a message of a bot': event({ ...message, subtype: 'bot_message', bot_id: 'B1', user: undefined }),
  'a press of Stop': event({ type: 'agent_session_stopped', thread_ts: '{thread}', streaming_message_ts: [] }),
  'a reaction': event({
    type: 'reaction_added',
    reaction: 'eyes',
    item: { type: 'message', channel: 'C0OPS', ts: '{thread}' },
  }),
  'an opened home': event({ type: 'app_home_opened', tab: 'home' }),
  'revoked tokens': event({ type: 'tokens_revoked', tokens: { oauth: ['U0ANA'], bot: [] } }),
  'a question for a challenge': {
    type: 'events_api',
    payload: { type: 'url_verification', token: 'verification-token', challenge: 'a challenge' },
  },
  'an approval': click(APPROVE_ACTION),
  'a denial': click(DENY_ACTION),
  'a click on something else': click('something_else'),
  'a sent form': interaction({
    type: 'view_submission',
    view: {
      id: 'V0FORM',
      callback_id: FORM_VIEW,
      private_metadata: '{"command":"agents","text":"new","channel":"C0OPS","thread":"C0OPS"}',
      state: { values: { name: { value: { type: 'plain_text_input', value: 'Deployer {nonce}' } } } },
      blocks: [{ type: 'input', block_id: 'name' }],
    },
    response_urls: [],
  }),
  'a press on the home tab': click(HOME.stop),
  'a sent modal': interaction({ type: 'view_submission', view, response_urls: [] }),
  'a closed modal': interaction({ type: 'view_closed', view, is_cleared: false }),
  'another modal': interaction({ type: 'view_submission', view: { ...view, callback_id: 'another' } }),
  'a global shortcut': interaction({ type: 'shortcut', callback_id: 'deckhand_ask', action_ts: '{nonce}' }),
  'a message shortcut': interaction({ type: 'message_action', callback_id: 'deckhand_ask_about', channel, message }),
  'a search in a menu': interaction({ type: 'block_suggestion', action_id: 'x', block_id: 'y', value: 'z' }),
  'a command': {
    type: 'slash_commands',
    payload: {
      token: 'verification-token',
      team_id: 'T0DECKHAND',
      channel_id: 'C0OPS',
      channel_name: 'ops',
      user_id: 'U0ANA',
      user_name: 'ana',
      command: '/agents',
      text: 'list',
      trigger_id: '1.2.3',
      response_url: 'http://127.0.0.1:9/response',
    },
  },
};
