import type { Outbox } from './outbox.ts';
import { type MessagePlace, threadRoot } from './person.ts';
import { channelNamed, type SlackMessage, type SlackWorkspace } from './workspace.ts';

/** Another app of the workspace: what it says reaches the app as a bot's message. */
export interface OtherBot {
  says(channel: string, said: BotWords): MessagePlace;
  reply(to: MessagePlace, said: BotWords): MessagePlace;
}

type BotWords = Partial<Pick<SlackMessage, 'text' | 'blocks' | 'attachments'>>;

export function createOtherBot(name: string, workspace: SlackWorkspace, outbox: Outbox): OtherBot {
  const bot_id = `B0${name.toUpperCase()}`;

  function write(channel: string, said: BotWords, threadTs?: string): MessagePlace {
    const ts = workspace.nextTs();
    const thread = threadTs === undefined ? {} : { thread_ts: threadTs };
    const message: SlackMessage = {
      ts,
      channel,
      user: `U0${name.toUpperCase()}`,
      bot_id,
      bot_profile: { name },
      subtype: 'bot_message',
      text: '',
      blocks: [],
      ...said,
      ...thread,
    };
    workspace.messages.push(message);
    const kind = workspace.channels.get(channel)?.kind ?? 'channel';
    outbox.event({ ...message, type: 'message', channel_type: kind, event_ts: ts });
    return { channel, ts, ...thread };
  }

  return {
    says: (channel, said) => write(channelNamed(workspace, channel).id, said),
    reply: (to, said) => write(to.channel, said, threadRoot(to)),
  };
}
