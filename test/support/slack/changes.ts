import { shown } from './chat-methods.ts';
import type { Outbox } from './outbox.ts';
import { messageAt, type SlackMessage, type SlackWorkspace } from './workspace.ts';

/** What may happen to a message after it was posted, with the events that Slack sends of it. */
export interface Changes {
  /** Somebody changes their text. As in recorded events, Slack tells when in whole seconds. */
  edit(at: { channel: string; ts: string }, text: string): void;
  /** Slack shows a link's preview below it: it has changed, and its text has not. */
  unfurl(at: { channel: string; ts: string }): void;
  /** Somebody deletes it. A root that has replies leaves a tombstone. */
  remove(at: { channel: string; ts: string }): void;
}

export function createChanges(workspace: SlackWorkspace, outbox: Outbox): Changes {
  function found({ channel, ts }: { channel: string; ts: string }): SlackMessage {
    const message = messageAt(workspace, channel, ts);
    if (message === undefined) throw new Error('There is no such message');
    return message;
  }

  function tell(channel: string, what: Record<string, unknown>): void {
    const channel_type = workspace.channels.get(channel)?.kind ?? 'channel';
    const ts = workspace.nextTs();
    outbox.event({ type: 'message', hidden: true, channel, channel_type, ts, event_ts: ts, ...what });
  }

  function changed(message: SlackMessage, previous: Record<string, unknown>): void {
    tell(message.channel, {
      subtype: 'message_changed',
      message: shown(message, workspace),
      previous_message: previous,
    });
  }

  return {
    edit(at, text) {
      const message = found(at);
      const previous = shown(message, workspace);
      const mention = `<@${workspace.bot_user_id}>`;
      const isNew = text.includes(mention) && !message.text.includes(mention);
      message.text = text;
      message.edited = { user: message.user, ts: `${workspace.nextTs().split('.')[0]}.000000` };
      changed(message, previous);
      // Guess: a mention that an edit adds comes as one too. The reference does not tell, and apps see it so.
      const { channel } = message;
      if (isNew)
        outbox.event({ ...shown(message, workspace), type: 'app_mention', channel, event_ts: workspace.nextTs() });
    },
    unfurl(at) {
      const message = found(at);
      const previous = shown(message, workspace);
      message.attachments = [{ title: 'A page', fallback: 'A page' }];
      changed(message, previous);
    },
    remove(at) {
      const message = found(at);
      const previous = shown(message, workspace);
      const isRoot = ({ channel, thread_ts, ts }: SlackMessage) =>
        channel === message.channel && thread_ts === message.ts && ts !== message.ts;
      if (workspace.messages.some(isRoot)) {
        Object.assign(message, { user: 'USLACKBOT', text: 'This message was deleted.', subtype: 'tombstone' });
        changed(message, previous);
        return;
      }
      workspace.messages.splice(workspace.messages.indexOf(message), 1);
      tell(message.channel, { subtype: 'message_deleted', deleted_ts: message.ts, previous_message: previous });
    },
  };
}
