import { describe, expect, it } from 'vitest';
import { conversationOf, isDirect, messageOfRef, placeOf, refOf } from '../../../connectors/slack/conversation-id.ts';

describe('a Slack conversation', () => {
  it('is the thread of its root message, for the root and for every reply', () => {
    const root = conversationOf('T1', 'C1', { ts: '1.000001' });
    const reply = conversationOf('T1', 'C1', { ts: '2.000001', thread_ts: '1.000001' });
    expect(root).toEqual({ connector: 'slack', tenant: 'T1', channel: 'C1', thread: '1.000001' });
    expect(reply).toEqual(root);
  });

  it('is a thread in direct messages too', () => {
    expect(conversationOf('T1', 'D1', { ts: '1.000001' }).thread).toBe('1.000001');
    expect(isDirect('D1')).toBe(true);
    expect(isDirect('C1')).toBe(false);
  });

  it('posts at the top level where the thread is the channel', () => {
    const key = { connector: 'slack', tenant: 'T1', channel: 'C1', thread: 'C1' };
    expect(placeOf(key)).toEqual({ channel: 'C1', thread_ts: undefined });
    expect(placeOf({ ...key, thread: '1.2' })).toEqual({ channel: 'C1', thread_ts: '1.2' });
  });

  it('makes references that lead back to the message', () => {
    expect(messageOfRef(refOf('C1', '1.000001'))).toEqual({ channel: 'C1', ts: '1.000001' });
    expect(() => messageOfRef('nonsense')).toThrow(/Not a reference/);
  });
});
