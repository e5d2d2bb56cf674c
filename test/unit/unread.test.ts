import { describe, expect, it, vi } from 'vitest';
import { createUnread } from '../../src/api/unread.ts';

function frame(bytes: number): Buffer {
  return Buffer.alloc(bytes);
}

function calls(...letGo: Array<ReturnType<typeof vi.fn>>): number[] {
  return letGo.map((one) => one.mock.calls.length);
}

describe('what clients have not read yet', () => {
  it('lets go who waits with the oldest when all together is too much', () => {
    const unread = createUnread({ all: 10, of_workspace: 10 });
    const letGo = [vi.fn(), vi.fn(), vi.fn()];
    for (const one of letGo) unread.hold('a', frame(4), one);
    expect(calls(...letGo)).toEqual([1, 0, 0]);
    unread.hold('b', frame(8), vi.fn());
    expect(calls(...letGo)).toEqual([1, 1, 1]);
  });

  it('takes the room of a workspace from its own clients only', () => {
    const unread = createUnread({ all: 100, of_workspace: 10 });
    const [other, first, second] = [vi.fn(), vi.fn(), vi.fn()];
    unread.hold('other', frame(9), other);
    unread.hold('a', frame(9), first);
    unread.hold('a', frame(9), second);
    expect(calls(other, first, second)).toEqual([0, 1, 0]);
  });

  it('counts a frame once, whoever waits with it, and lets go all of them', () => {
    const unread = createUnread({ all: 10, of_workspace: 10 });
    const shared = frame(6);
    const letGo = [vi.fn(), vi.fn()];
    for (const one of letGo) unread.hold('a', shared, one);
    expect(calls(...letGo)).toEqual([0, 0]);
    unread.hold('a', frame(6), vi.fn());
    expect(calls(...letGo)).toEqual([1, 1]);
  });

  it('gives room back when the last who waited with a frame has read it', () => {
    const unread = createUnread({ all: 10, of_workspace: 10 });
    const shared = frame(6);
    const releases = [unread.hold('a', shared, vi.fn()), unread.hold('a', shared, vi.fn())];
    releases[0]?.();
    const next = vi.fn();
    releases[1]?.();
    unread.hold('a', frame(6), next);
    unread.hold('a', frame(4), vi.fn());
    expect(calls(next)).toEqual([0]);
  });

  it('gives the room of who was let go back once, also when that one says that it is gone', () => {
    const unread = createUnread({ all: 10, of_workspace: 10 });
    const release = unread.hold('a', frame(6), vi.fn());
    const second = vi.fn();
    unread.hold('a', frame(6), second);
    release();
    unread.hold('a', frame(6), vi.fn());
    expect(calls(second)).toEqual([1]);
  });

  it('lets what came last be sent, however large it is', () => {
    const unread = createUnread({ all: 10, of_workspace: 10 });
    const letGo = vi.fn();
    unread.hold('a', frame(11), letGo);
    expect(calls(letGo)).toEqual([0]);
  });
});
