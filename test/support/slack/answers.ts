import { shorten } from '../../../connectors/slack/mrkdwn.ts';
import { eventually } from '../eventually.ts';
import { withoutIds } from './block-limits.ts';
import type { MessagePlace, SlackPerson } from './person.ts';
import type { SlackServer } from './server.ts';
import { matchesSnapshot, steady } from './snapshot.ts';
import type { Typed } from './view-state.ts';
import { directChannel, type SlackMessage } from './workspace.ts';

/** What people ask in one running product, one after another, and what each is answered: one snapshot. */
export interface Answers {
  /** Somebody types a command (in `ops`, or a channel by name) and is answered with this text. */
  types(person: SlackPerson, asked: string, channel?: string): Promise<string>;
  /** Somebody sends the form that is open, by what opened it, and is answered beside its fields. */
  sends(person: SlackPerson, form: string, fields: Typed): Promise<void>;
  /** What somebody who did this is told in their direct messages with the app, as soon as it has these words. */
  told(person: SlackPerson, asked: string, words: string): Promise<void>;
  /** What somebody sees in a thread after this happened, as soon as it has these words. */
  hears(person: SlackPerson, what: string, at: { thread: MessagePlace; words: string }): Promise<void>;
  /** Compare all of it with the snapshot. */
  match(name: string): Promise<void>;
}

/** Characters of what was asked that a snapshot has. */
const ASKED = 300;

export function answersOf(slack: SlackServer): Answers {
  const answers: object[] = [];
  const keep = (person: SlackPerson, asked: string, answer: object) =>
    answers.push({ by: person.user.name, asked: shorten(asked, ASKED), ...answer });
  // Where a long text is cut depends on what today's date is called: of such a one, its first line.
  const shown = ({ text, blocks }: SlackMessage) => ({
    text: text.endsWith('…') ? `${text.split('\n')[0]}…` : text,
    blocks: withoutIds(blocks),
  });

  return {
    async types(person, asked, channel = 'ops') {
      const [, family = '', text = ''] = /^\/(\w+) ?([^]*)$/.exec(asked) ?? [];
      const whispers = () => slack.workspace.messages.filter(({ ephemeral_to }) => ephemeral_to === person.user.id);
      const before = whispers().length;
      await person.command(channel, `/${family}`, text);
      const message = await eventually(() => {
        const found = whispers()[before];
        if (found === undefined) throw new Error(`${asked} was not answered`);
        return found;
      });
      keep(person, asked, shown(message));
      return message.text;
    },

    async sends(person, form, fields) {
      const { payload } = await person.submit(fields);
      if (typeof payload !== 'object' || payload === null)
        throw new Error(`Nothing is wrong with ${JSON.stringify(fields)}`);
      keep(person, `${form} ${JSON.stringify(fields)}`, payload);
    },

    async told(person, asked, words) {
      const { id } = directChannel(slack.workspace, person.user.id);
      const message = await eventually(() => {
        const found = slack.workspace.messages.findLast(({ channel, text }) => channel === id && text.includes(words));
        if (found === undefined) throw new Error(`${person.user.name} was not told "${words}"`);
        return found;
      });
      keep(person, asked, shown(message));
    },

    async hears(person, what, { thread, words }) {
      const message = await eventually(() => {
        const found = person
          .sees(thread)
          .findLast(
            ({ text, blocks, bot_id }) => bot_id !== undefined && `${text} ${JSON.stringify(blocks)}`.includes(words),
          );
        if (found === undefined) throw new Error(`Nothing with "${words}" came after ${what}`);
        return found;
      });
      const { ephemeral_to } = message;
      keep(person, what, { ...(ephemeral_to !== undefined && { for: 'this person alone' }), ...shown(message) });
    },

    match: (name) => matchesSnapshot(`answers-${name}`, steady(JSON.stringify({ answers }, null, 2))),
  };
}
