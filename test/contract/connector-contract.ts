import { describe, expect, it } from 'vitest';
import { PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import type { ApprovalCard } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { approvalOut, REMOVAL, textOut } from '../support/cards.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { STOP_MS } from '../support/stop.ts';
import type { ConnectorHarness, CreateHarness, HarnessAbilities, VisibleMessage } from './connector-harness.ts';

interface Scene extends AsyncDisposable {
  harness: ConnectorHarness;
  receiver: RecordingReceiver;
  signal: AbortSignal;
}

async function openScene(createHarness: CreateHarness): Promise<Scene> {
  const receiver = createRecordingReceiver();
  const harness = await createHarness(receiver);
  receiver.connector = harness.connector;
  return {
    harness,
    receiver,
    signal: AbortSignal.timeout(15_000),
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

/** Ana mentions the bot; the conversation that this opened. */
async function begun({ harness, receiver }: Scene): Promise<ConversationKey> {
  await harness.person('Ana').says('hello there', { mention: true });
  const message = await eventually(() => {
    const last = receiver.messages.at(-1);
    if (last === undefined) throw new Error('The message has not arrived');
    return last;
  });
  return message.conversation;
}

async function botMessages(harness: ConnectorHarness, who: string, key: ConversationKey): Promise<VisibleMessage[]> {
  const seen = await harness.visibleTo(who, key);
  return seen.filter((message) => message.from_bot);
}

async function card(harness: ConnectorHarness, who: string, key: ConversationKey): Promise<VisibleMessage> {
  const [found, ...more] = (await botMessages(harness, who, key)).filter((message) => !message.private);
  if (found === undefined || more.length > 0) throw new Error(`Expected one card, saw ${found ? 1 + more.length : 0}`);
  return found;
}

/** The suite every connector passes: what chat/receive.ts and chat/deliver.ts rely on, and nothing else. */
export function connectorContract(name: string, createHarness: CreateHarness, abilities: HarnessAbilities): void {
  describe(`${name} keeps the connector contract`, () => {
    describe('receiving', () => {
      it('hands over an addressed message with its sender, its text and its place', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const message = scene.receiver.messages[0];
        expect(message).toMatchObject({ text: 'hello there', addressed: true, sender: { name: 'Ana' } });
        expect(message?.event_id).not.toBe('');
        expect(message?.message_id).not.toBe('');
        expect(key.connector).toBe(scene.harness.connector.name);
      });

      it('keeps one conversation for what follows, and tells people apart', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        await scene.harness.person('Ben').says('me too', { mention: true, in: key });
        await eventually(() => expect(scene.receiver.messages.some((m) => m.text === 'me too')).toBe(true));
        const second = scene.receiver.messages.find((m) => m.text === 'me too');
        expect(second?.conversation).toEqual(key);
        expect(second?.sender.name).toBe('Ben');
        expect(second?.sender.id).not.toBe(scene.receiver.messages[0]?.sender.id);
      });

      it.skipIf(!abilities.unaddressed)('says when a message did not address the bot', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        await scene.harness.person('Ben').says('talking to Ana only', { mention: false, in: key });
        await eventually(() => {
          const heard = scene.receiver.messages.find((m) => m.text === 'talking to Ana only');
          expect(heard).toMatchObject({ addressed: false, conversation: key });
        });
      });

      it.skipIf(!abilities.unaddressed)('tells what was said before a message, by whom, oldest first', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        await scene.harness.person('Ben').says('it broke on Friday', { mention: false, in: key });
        await scene.harness.connector.post(key, textOut('dlv_own', 'words of the bot'), scene.signal);
        await scene.harness.person('Cleo').says('what now?', { mention: true, in: key });
        await eventually(() => expect(scene.receiver.messages.some((m) => m.text === 'what now?')).toBe(true));
        const [first, last] = ['hello there', 'what now?'].map((text) =>
          scene.receiver.messages.find((message) => message.text === text),
        );
        expect([first?.follows, last?.follows]).toEqual([undefined, 'all']);
        const { history } = scene.harness.connector;
        const range = { before: last?.message_id ?? '', messages: 10, characters: 1_000, text: 100 };
        const all = await history?.(key, { ...range, after: null, own: true }, scene.signal);
        expect(all?.messages.map(({ from, name, text }) => [from, name, text])).toEqual([
          ['person', 'Ana', expect.stringContaining('hello there')],
          ['person', 'Ben', 'it broke on Friday'],
          ['self', expect.any(String), 'words of the bot'],
        ]);
        const since = await history?.(key, { ...range, after: first?.message_id ?? '', own: false }, scene.signal);
        expect(since?.messages.map(({ text }) => text)).toEqual(['it broke on Friday']);
      });

      it('gives separate conversations separate keys', async () => {
        await using scene = await openScene(createHarness);
        const first = await begun(scene);
        await scene.harness.person('Ana').says('another matter', { mention: true });
        await eventually(() => expect(scene.receiver.messages.some((m) => m.text === 'another matter')).toBe(true));
        const second = scene.receiver.messages.find((m) => m.text === 'another matter');
        expect(second?.conversation).not.toEqual(first);
      });

      it('gives a redelivered event the same ids', async () => {
        await using scene = await openScene(createHarness);
        await begun(scene);
        const before = scene.receiver.messages.length;
        await scene.harness.redeliverLast();
        await eventually(() => expect(scene.receiver.messages.length).toBeGreaterThan(before));
        const again = scene.receiver.messages.at(-1);
        const known = scene.receiver.messages.slice(0, before);
        expect(known.some((m) => m.event_id === again?.event_id && m.message_id === again.message_id)).toBe(true);
      });

      it('never hands its own messages back', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        await scene.harness.connector.post(key, textOut('dlv_own', 'words of the bot'), scene.signal);
        await scene.harness.person('Ana').says('after the bot', { mention: true, in: key });
        await eventually(() => expect(scene.receiver.messages.some((m) => m.text === 'after the bot')).toBe(true));
        expect(scene.receiver.messages.map((m) => m.text)).not.toContain('words of the bot');
      });
    });

    describe('posting', () => {
      it('shows posts in the order they were made, to everybody there', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        for (const n of [1, 2, 3]) {
          await scene.harness.connector.post(key, textOut(`dlv_${n}`, `number ${n}`), scene.signal);
        }
        for (const who of ['Ana', 'Ben']) {
          const texts = (await botMessages(scene.harness, who, key)).map((m) => m.text);
          expect(texts).toEqual([1, 2, 3].map((n) => expect.stringContaining(`number ${n}`)));
        }
      });

      it('finds a post by its delivery id and nothing by an unknown one', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const { connector } = scene.harness;
        await connector.post(key, textOut('dlv_a', 'first'), scene.signal);
        const ref = await connector.post(key, textOut('dlv_b', 'second'), scene.signal);
        expect(await connector.find(key, 'dlv_b', scene.signal)).toBe(ref);
        expect(await connector.find(key, 'dlv_never', scene.signal)).toBeNull();
      });

      it('replaces the content on edit, and a repeated edit is harmless', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const { connector } = scene.harness;
        const ref = await connector.post(key, textOut('dlv_a', 'before'), scene.signal);
        await connector.edit(key, ref, textOut('dlv_a', 'afterwards'), scene.signal);
        await connector.edit(key, ref, textOut('dlv_a', 'afterwards'), scene.signal);
        const seen = await botMessages(scene.harness, 'Ana', key);
        expect(seen).toHaveLength(1);
        expect(seen[0]?.text).toContain('afterwards');
        expect(seen[0]?.text).not.toContain('before');
        expect(await connector.find(key, 'dlv_a', scene.signal)).toBe(ref);
      });

      it('grows a live message in place until its last edit', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const { connector } = scene.harness;
        const ref = await connector.post(key, textOut('dlv_live', 'One', true), scene.signal);
        expect(await connector.find(key, 'dlv_live', scene.signal)).toBe(ref);
        await connector.edit(key, ref, textOut('dlv_live', 'One two', true), scene.signal);
        await connector.edit(key, ref, textOut('dlv_live', 'One two three', true), scene.signal);
        await connector.edit(key, ref, textOut('dlv_live', 'One two three.', false), scene.signal);
        const seen = await botMessages(scene.harness, 'Ana', key);
        expect(seen).toHaveLength(1);
        expect(seen[0]?.text).toContain('One two three.');
        expect(await connector.find(key, 'dlv_live', scene.signal)).toBe(ref);
      });

      it('ends a live message with other words when they changed', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const { connector } = scene.harness;
        const ref = await connector.post(key, textOut('dlv_live', 'The answer is 41', true), scene.signal);
        await connector.edit(key, ref, textOut('dlv_live', 'It is 42', false), scene.signal);
        const seen = await botMessages(scene.harness, 'Ana', key);
        expect(seen).toHaveLength(1);
        expect(seen[0]?.text).toContain('It is 42');
        expect(seen[0]?.text).not.toContain('41');
      });

      it('carries the longest text it promises, surrogate pairs and all', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const { connector } = scene.harness;
        const longest = `${'&<>'.repeat(100)}${'🛠'.repeat((connector.limits.text - 300) / 2 - 1)}`;
        await connector.post(key, textOut('dlv_long', longest), scene.signal);
        const seen = await botMessages(scene.harness, 'Ana', key);
        expect(seen).toHaveLength(1);
        expect(seen[0]?.text).toContain(longest);
      });

      it('refuses what is too long for good, and shows none of it', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const { connector } = scene.harness;
        const tooLong = 'x'.repeat(connector.limits.text + 1);
        await expect(connector.post(key, textOut('dlv_long', tooLong), scene.signal)).rejects.toThrow(PostRefusedError);
        expect(await botMessages(scene.harness, 'Ana', key)).toEqual([]);
        expect(await connector.find(key, 'dlv_long', scene.signal)).toBeNull();
      });

      it.skipIf(!abilities.rate_limits)('says how long to wait when the platform limits the rate', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const { connector, faults } = scene.harness;
        faults.rateLimitNext?.(7_000);
        const limited = connector.post(key, textOut('dlv_a', 'hurry'), scene.signal);
        const error = await limited.then(
          () => null,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(RateLimitedError);
        expect(error).toMatchObject({ retry_after_ms: 7_000 });
        await connector.post(key, textOut('dlv_a', 'hurry'), scene.signal);
        expect(await botMessages(scene.harness, 'Ana', key)).toHaveLength(1);
      });

      it.skipIf(!abilities.loses_responses)('finds what was applied when the response was lost', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const { connector, faults } = scene.harness;
        for (const [id, live] of [
          ['dlv_plain', false],
          ['dlv_live', true],
        ] as const) {
          faults.loseNextResponse?.();
          const error = await connector.post(key, textOut(id, `said once ${id}`, live), scene.signal).then(
            () => null,
            (reason: unknown) => reason,
          );
          expect(error).toBeInstanceOf(Error);
          expect(error).not.toBeInstanceOf(PostRefusedError);
          expect(error).not.toBeInstanceOf(RateLimitedError);
          const ref = await connector.find(key, id, scene.signal);
          if (ref === null) throw new Error(`${id} was applied and must be found`);
          await connector.edit(key, ref, textOut(id, `said once ${id}, and done`), scene.signal);
          const seen = (await botMessages(scene.harness, 'Ana', key)).filter((m) => m.text.includes(id));
          expect(seen).toHaveLength(1);
          expect(seen[0]?.text).toContain('and done');
        }
      });

      it('shows a notice and takes a status', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const { connector } = scene.harness;
        await connector.setStatus(key, { state: 'working', text: 'Reading the log', title: 'Look here' }, scene.signal);
        await connector.post(
          key,
          {
            kind: 'notice',
            delivery_id: 'dlv_n',
            level: 'error',
            markdown: 'The budget is used up.',
            agent_name: 'Deckhand',
          },
          scene.signal,
        );
        await connector.setStatus(key, { state: 'resting' }, scene.signal);
        const seen = await botMessages(scene.harness, 'Ana', key);
        expect(seen.map((m) => m.text)).toEqual([expect.stringContaining('The budget is used up.')]);
      });

      it('whispers to one person only', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        await scene.harness.person('Ben').says('hi', { mention: true, in: key });
        const ana = scene.receiver.messages[0]?.sender;
        if (ana === undefined) throw new Error('Ana wrote first');
        await scene.harness.connector.whisper(key, ana, 'Only for you.', scene.signal);
        await eventually(async () => {
          const seen = await botMessages(scene.harness, 'Ana', key);
          expect(seen).toEqual([
            expect.objectContaining({ private: true, text: expect.stringContaining('Only for you.') }),
          ]);
        });
        expect(await botMessages(scene.harness, 'Ben', key)).toEqual([]);
      });
    });

    describe('approvals', () => {
      it('shows what is asked, by whom and who may decide, with two buttons', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const over = { approvers: 'Ben or Cleo', expires_at: '2030-01-02T03:04:05.000Z' };
        await scene.harness.connector.post(key, approvalOut('dlv_card', over), scene.signal);
        const shown = await card(scene.harness, 'Ben', key);
        for (const part of [REMOVAL.summary, 'rm -rf build', 'bash', 'Ana', 'Ben or Cleo']) {
          expect(shown.text).toContain(part);
        }
        expect(shown.buttons).toHaveLength(2);
      });

      it('says who has approved and why it is asked, and offers the session where that is allowed', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const state = { status: 'pending' as const, reminded: 0, approved_by: [{ id: 'U_CLEO', name: 'Cleo' }] };
        const over = { quorum: 2, for_session: 'tool' as const, why: 'The disk is full.', state };
        await scene.harness.connector.post(key, approvalOut('dlv_card', over), scene.signal);
        const shown = await card(scene.harness, 'Ben', key);
        for (const part of ['1 of 2', 'Cleo', 'The disk is full.']) expect(shown.text).toContain(part);
        expect(shown.buttons).toHaveLength(3);
        expect(shown.buttons).toContain('Approve for this session');
      });

      it('shows nothing of a call that is private, and a button that asks for it', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const over = { summary: 'Use the tool bash.', detail: '', private_detail: true as const };
        await scene.harness.connector.post(key, approvalOut('dlv_card', over), scene.signal);
        const { buttons } = await card(scene.harness, 'Ben', key);
        expect(buttons).toContainEqual(expect.stringMatching(/^(Review|Show what exactly)$/));
      });

      it('turns a click into a decision and tells the person what became of it', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        await scene.harness.connector.post(key, approvalOut('dlv_card'), scene.signal);
        scene.receiver.answer({ effect: 'accepted', text: 'Recorded, thank you.' });
        await scene.harness.person('Ben').clicks('appr_1', 'allow', key);
        await eventually(() => expect(scene.receiver.decisions).toHaveLength(1));
        expect(scene.receiver.decisions[0]).toMatchObject({
          approval_id: 'appr_1',
          decision: 'allow',
          person: { name: 'Ben' },
          conversation: key,
        });
        await eventually(async () => {
          const whispers = (await botMessages(scene.harness, 'Ben', key)).filter((m) => m.private);
          expect(whispers.map((m) => m.text)).toEqual([expect.stringContaining('Recorded, thank you.')]);
        });
        expect((await botMessages(scene.harness, 'Ana', key)).filter((m) => m.private)).toEqual([]);
      });

      it('carries the reason of a denial', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        await scene.harness.connector.post(key, approvalOut('dlv_card'), scene.signal);
        await scene.harness.person('Ben').clicks('appr_1', 'deny', key, 'too broad');
        await eventually(() => expect(scene.receiver.decisions).toHaveLength(1));
        expect(scene.receiver.decisions[0]).toMatchObject({ decision: 'deny', reason: 'too broad', conversation: key });
      });

      it('says so when a decision could not be recorded', async () => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        await scene.harness.connector.post(key, approvalOut('dlv_card'), scene.signal);
        scene.receiver.failNext(1);
        // A platform may report the failure to the person's client as well; here only what they read matters.
        await scene.harness
          .person('Ben')
          .clicks('appr_1', 'allow', key)
          .catch(() => undefined);
        await eventually(async () => {
          const whispers = (await botMessages(scene.harness, 'Ben', key)).filter((m) => m.private);
          expect(whispers.length).toBeGreaterThan(0);
        });
      });

      const by = { id: 'U_BEN', name: 'Ben' };
      const at = '2026-11-20T10:00:00.000Z';
      const decided: [string, ApprovalCard['state'], RegExp[]][] = [
        ['allowed', { status: 'allowed', by, at, reason: null, via: 'console' }, [/approved/i, /Ben/]],
        [
          'denied',
          { status: 'denied', by, at, reason: 'not on a Friday', via: 'console' },
          [/denied/i, /Ben/, /not on a Friday/],
        ],
        ['expired', { status: 'expired', at }, [/expired/i]],
        ['withdrawn', { status: 'withdrawn', at }, [/withdrawn/i]],
      ];
      it.each(decided)('shows an approval that is %s, without buttons', async (_name, state, words) => {
        await using scene = await openScene(createHarness);
        const key = await begun(scene);
        const { connector } = scene.harness;
        const ref = await connector.post(key, approvalOut('dlv_card'), scene.signal);
        await connector.edit(key, ref, approvalOut('dlv_card', { state }), scene.signal);
        const shown = await card(scene.harness, 'Ana', key);
        for (const word of words) expect(shown.text).toMatch(word);
        expect(shown.text).toContain(REMOVAL.summary);
        expect(shown.buttons).toEqual([]);
      });
    });

    it('finishes what is in flight before it stops, and receives nothing after', async () => {
      await using scene = await openScene(createHarness);
      await begun(scene);
      const gate = scene.receiver.hold();
      const said = scene.harness.person('Ana').says('a last word', { mention: true });
      await eventually(() => expect(scene.receiver.messages.some((m) => m.text === 'a last word')).toBe(true));
      let stopped = false;
      const stopping = scene.harness.connector.stop(STOP_MS).then(() => {
        stopped = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect(stopped).toBe(false);
      gate.open();
      await stopping;
      await said.catch(() => undefined);
      const count = scene.receiver.messages.length;
      await scene.harness
        .person('Ana')
        .says('too late', { mention: true })
        .catch(() => undefined);
      expect(scene.receiver.messages).toHaveLength(count);
    });
  });
}
