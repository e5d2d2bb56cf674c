import { describe, expect, it } from 'vitest';
import { formModal } from '../../../connectors/slack/form-modal.ts';
import { parseForm, parseShortcut, parseSlash } from '../../../connectors/slack/parse-command.ts';

const identity = {
  tenant: 'T1',
  team_id: 'T1',
  enterprise_id: undefined,
  url: 'https://x.slack.test/',
  bot_user_id: 'U_BOT',
  bot_id: 'B1',
};

const slash = { command: '/agents', text: 'list', user_id: 'U1', channel_id: 'C1', trigger_id: '1.2.3' };

describe('a slash command', () => {
  it('is one wherever it is typed', () => {
    expect(parseSlash({ ...slash, response_url: 'https://hooks.slack.test/1' }, identity)).toEqual({
      command: {
        event_id: 'command:1.2.3',
        conversation: { connector: 'slack', tenant: 'T1', channel: 'C1', thread: 'C1' },
        person: { id: 'U1', name: 'U1' },
        name: 'agents',
        text: 'list',
      },
      trigger_id: '1.2.3',
      response_url: 'https://hooks.slack.test/1',
    });
  });

  it.each([
    ['role <@U0BEN|ben> admin', 'role slack:U0BEN admin'],
    ['owner Reviewer <@W0ANA>', 'owner Reviewer slack:W0ANA'],
    ['edit x\napprovers: <!subteam^S0ONCALL|@oncall>', 'edit x\napprovers: slack:group:S0ONCALL'],
    ['show R&amp;D <#C0OPS|ops>', 'show R&D slack:channel:C0OPS'],
    ['edit x\ninstructions: see <https://wiki.test/a?b=1>', 'edit x\ninstructions: see https://wiki.test/a?b=1'],
    ['edit x\nname: <http://deckhand.dev|deckhand.dev>', 'edit x\nname: deckhand.dev'],
    ['edit x\ndescription: ask <mailto:ana@x.test|ana@x.test>', 'edit x\ndescription: ask ana@x.test'],
    ['edit x\ninstructions: use List&lt;a:b&gt;', 'edit x\ninstructions: use List<a:b>'],
    ['edit x\nescalate_to: <#C0OPS|ops>, <#C0X>', 'edit x\nescalate_to: slack:channel:C0OPS, slack:channel:C0X'],
  ])('%s names people and places as the house does', (text, expected) => {
    expect(parseSlash({ ...slash, text }, identity)?.command.text).toBe(expected);
  });

  it.each([{ command: '/other' }, { user_id: undefined }, { trigger_id: 7 }])('that is none of ours: %j', (over) => {
    expect(parseSlash({ ...slash, ...over }, identity)).toBeNull();
  });
});

describe('a shortcut', () => {
  it('of a message stands in the message’s thread', () => {
    const message = { ts: '5.2', thread_ts: '5.1', text: 'red', user: 'U2' };
    const body = { user: { id: 'U1' }, trigger_id: 't', channel: { id: 'C1' }, message };
    expect(parseShortcut(body, identity)?.command).toMatchObject({
      name: 'ask',
      conversation: { channel: 'C1', thread: '5.1' },
      about: { author: 'U2', text: 'red' },
    });
  });

  it('of a bot’s message names the bot', () => {
    const message = { ts: '5.1', text: 'alert', username: 'pager' };
    const body = { user: { id: 'U1' }, trigger_id: 't', channel: { id: 'C1' }, message };
    expect(parseShortcut(body, identity)?.command.about).toEqual({ author: 'pager', text: 'alert' });
  });
});

describe('a form that was sent', () => {
  const view = formModal(
    { command: 'agents', text: 'new', title: 'x', submit: 'x', fields: [] },
    { channel: 'C1', thread: 'C1' },
  );
  const sent = (name: string, id = 'V1') => ({
    user: { id: 'U1' },
    view: { ...view, id, state: { values: { name: { value: { value: name } } } } },
  });
  const idOf = (body: unknown) => parseForm(body, identity)?.command.event_id;

  it('is the same event twice, and another with other words or in another view', () => {
    expect(idOf(sent('a'))).toBe(idOf(sent('a')));
    expect(new Set([idOf(sent('a')), idOf(sent('b')), idOf(sent('a', 'V2'))]).size).toBe(3);
  });

  it.each([
    { private_metadata: 'x' },
    { callback_id: 'another' },
    { state: { values: { 'a.b': { value: { value: 'x' } } } } },
    { state: { values: { name: 'x' } } },
  ])('that cannot be read is none: %j', (over) => {
    const body = sent('a');
    expect(parseForm({ ...body, view: { ...body.view, ...over } }, identity)).toBeNull();
  });
});
