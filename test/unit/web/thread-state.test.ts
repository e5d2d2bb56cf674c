import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConversationDetail, WebMessage } from '../../../connectors/web/wire.ts';
import { isWorking, openThread, type ThreadAction, threadReducer } from '../../../console/src/thread-state.ts';
import { cases } from '../../support/cases.ts';

const detail: ConversationDetail = {
  conversation: {
    id: 'conv_1',
    title: null,
    agent: null,
    people: [],
    created_at: '2026-11-20T10:00:00.000Z',
    updated_at: '2026-11-20T10:00:00.000Z',
    status: null,
    waiting: 0,
    revision: 5,
  },
  messages: [],
  earlier: false,
  cursor: 0,
};

function message(seq: number, revision: number, markdown: string, over: Partial<WebMessage> = {}): WebMessage {
  return {
    id: `msg_${seq}`,
    seq,
    revision,
    author: { kind: 'agent', name: 'Deckhand' },
    body: { kind: 'text', markdown, live: false },
    created_at: '2026-11-20T10:00:00.000Z',
    client_id: null,
    refusal: null,
    ...over,
  };
}

function live(seq: number, revision: number, markdown: string): WebMessage {
  return message(seq, revision, markdown, { body: { kind: 'text', markdown, live: true } });
}

function textsAfter(actions: ThreadAction[]): string[] {
  const { messages } = actions.reduce(threadReducer, openThread(detail, []));
  return messages.map(({ body }) => (body.kind === 'text' ? body.markdown : body.kind));
}

const put = (each: WebMessage): ThreadAction => ({ type: 'message', message: each });
const delta = (seq: number, from: number, text: string): ThreadAction => ({
  type: 'delta',
  delta: { message_id: `msg_${seq}`, from, text },
});

describe('the thread', () => {
  it('ends the same in whatever order, and however often, events come', () => {
    const events = [message(1, 1, 'a'), message(2, 2, 'b'), message(1, 3, 'A'), message(3, 4, 'c'), message(2, 5, 'B')];
    fc.assert(
      fc.property(fc.shuffledSubarray([...events, ...events], { minLength: 10, maxLength: 10 }), (order) => {
        expect(textsAfter(order.map(put))).toEqual(['A', 'B', 'c']);
      }),
      cases(),
    );
  });

  it('adds a delta that fits, and waits for the whole text when one was missed', () => {
    expect(textsAfter([put(live(1, 1, 'One')), delta(1, 3, ' two'), delta(1, 7, ' three')])).toEqual(['One two three']);
    expect(textsAfter([put(live(1, 1, 'One')), delta(1, 7, ' three')])).toEqual(['One']);
    expect(textsAfter([put(live(1, 1, 'One')), delta(1, 7, ' three'), put(live(1, 2, 'One two three'))])).toEqual([
      'One two three',
    ]);
    expect(textsAfter([delta(9, 0, 'nobody')])).toEqual([]);
  });

  it('never takes back words that were shown, until the text is final', () => {
    const shown = [put(live(1, 1, 'One')), delta(1, 3, ' two'), put(live(1, 2, 'One'))];
    expect(textsAfter(shown)).toEqual(['One two']);
    expect(textsAfter([...shown, put(message(1, 3, 'One.'))])).toEqual(['One.']);
    expect(textsAfter([...shown, put(live(1, 3, 'Two'))])).toEqual(['Two']);
  });

  it('forgets what it was sending once the server shows it', () => {
    const sending: ThreadAction = { type: 'sending', client_id: 'client-0001', text: 'hi' };
    const failed: ThreadAction = { type: 'failed', client_id: 'client-0001', failure: 'offline' };
    const state = [sending, failed].reduce(threadReducer, openThread(detail, []));
    expect(state.pending).toEqual([{ client_id: 'client-0001', text: 'hi', failure: 'offline' }]);
    const sent = threadReducer(state, put(message(1, 1, 'hi', { client_id: 'client-0001' })));
    expect(sent.pending).toEqual([]);
    const reloaded = openThread({ ...detail, messages: sent.messages }, state.pending);
    expect(reloaded.pending).toEqual([]);
  });

  it('works while there is a status or a live text', () => {
    const idle = openThread(detail, []);
    expect(isWorking(idle)).toBe(false);
    expect(isWorking(threadReducer(idle, put(live(1, 1, 'One'))))).toBe(true);
    const conversation = { ...detail.conversation, status: 'Thinking…' };
    expect(isWorking(threadReducer(idle, { type: 'conversation', conversation }))).toBe(true);
    const old = { ...conversation, revision: 4 };
    expect(isWorking(threadReducer(idle, { type: 'conversation', conversation: old }))).toBe(false);
    const other = { ...conversation, id: 'conv_2' };
    expect(isWorking(threadReducer(idle, { type: 'conversation', conversation: other }))).toBe(false);
  });
});
