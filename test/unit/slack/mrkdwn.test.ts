import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  cut,
  escapeWithin,
  mentions,
  mrkdwnOf,
  readableText,
  shorten,
  withChannels,
} from '../../../connectors/slack/mrkdwn.ts';
import { cases } from '../../support/cases.ts';

const BOT = 'U0BOT';
const named: Record<string, string> = { U1: 'Ana', U2: 'Ben <3', S1: 'ops', C1: 'general' };
const nameOf = async (id: string) => named[id] ?? id;
const names = { user: nameOf, group: nameOf, channel: nameOf };
const read = (text: string) => readableText(text, BOT, names);

describe('Slack text read as markdown', () => {
  it.each([
    ['<@U0BOT> deploy please', 'deploy please'],
    ['please <@U0BOT|deckhand> go', 'please  go'],
    ['ask <@U1> and <@U2>', 'ask @Ana and @Ben <3'],
    ['ask <@U9>', 'ask @U9'],
    ['ask <@U9|zoe>', 'ask @zoe'],
    ['see <#C1|general>, <#C1>, <#C1|> and <#C2>', 'see #general, #general, #general and #C2'],
    ['<!here> <!channel> <!subteam^S1|@team> <!subteam^S1> <!subteam^S2>', '@here @channel @team @ops @S2'],
    ['<!date^1392734382^{date}|18 Feb>', '18 Feb'],
    ['<https://a.test/x?a=1&amp;b=2>', 'https://a.test/x?a=1&b=2'],
    ['<https://a.test|the page>', '[the page](https://a.test)'],
    ['<http://a.test|a.test>', 'a.test'],
    ['<mailto:ana@a.test|ana@a.test>', 'ana@a.test'],
    ['1 &lt; 2 &amp;&amp; 3 &gt; 2', '1 < 2 && 3 > 2'],
    ['say &amp;lt; literally', 'say &lt; literally'],
    ['`&lt;@U1&gt;` is not a mention', '`<@U1>` is not a mention'],
    ['  \n', ''],
  ])('%s', async (slack, markdown) => {
    expect(await read(slack)).toBe(markdown);
  });

  it('knows a mention of somebody else from one of the bot', () => {
    expect(mentions('<@U0BOT> hi', BOT)).toBe(true);
    expect(mentions('<@U0BOT|deckhand> hi', BOT)).toBe(true);
    expect(mentions('<@U0BOTTLE> hi', BOT)).toBe(false);
    expect(mentions('@U0BOT hi', BOT)).toBe(false);
  });
});

describe('cutting text', () => {
  const isWhole = (text: string) => text === Buffer.from(text, 'utf8').toString('utf8');

  it('never leaves half a surrogate pair and never exceeds its length', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.integer({ min: 2, max: 40 }), (text, length) => {
        for (const piece of [cut(text, length), shorten(text, length), escapeWithin(text, length)]) {
          expect(piece.length).toBeLessThanOrEqual(length);
          expect(isWhole(piece)).toBe(true);
        }
      }),
      cases(),
    );
  });

  it('never cuts an entity, and keeps what fits', () => {
    expect(escapeWithin('a<b', 6)).toBe('a&lt;b');
    expect(escapeWithin('a<b', 5)).toBe('a…');
    expect(escapeWithin('&'.repeat(50), 12)).toBe('&amp;&amp;…');
  });
});

describe('a channel that is known by its id', () => {
  it.each([
    ['I have asked #C089JKL as well', 'I have asked <#C089JKL> as well'],
    ['Who may: Ana, #G012ABCDE.', 'Who may: Ana, <#G012ABCDE>.'],
    ['#CHANGELOG and #C0 and <#C089JKL> and x#C089JKL', '#CHANGELOG and #C0 and <#C089JKL> and x#C089JKL'],
    ['https://slack.test/archives/#C089JKL', 'https://slack.test/archives/#C089JKL'],
  ])('%s', (said, shown) => {
    expect(withChannels(said)).toBe(shown);
  });
});

describe("the house's own words in Slack's markup", () => {
  it.each([
    ['**code\\_reviewer** is there, and yours', '*code_reviewer* is there, and yours'],
    ['Type `/agents edit <name>`: **R&D \\*1** & more', 'Type `/agents edit &lt;name&gt;`: *R&amp;D *1* &amp; more'],
    ['It [goes on](https://x.test/a?b&c), not [here](/sessions/1)', 'It <https://x.test/a?b&amp;c|goes on>, not here'],
    ['Send:\n```\n/agents new\nname: **x**\n```', 'Send:\n```\n/agents new\nname: **x**\n```'],
    ['2 ** 3 and 5 * 3', '2 ** 3 and 5 * 3'],
  ])('%s', (said, shown) => {
    expect(mrkdwnOf(said, 1_000)).toBe(shown);
  });

  it('stay within their length, with no reference cut in two', () => {
    expect(mrkdwnOf('See [this](https://x.test/long)', 20)).toBe('See …');
  });
});
