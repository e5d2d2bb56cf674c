import type { PostRef } from './connector.ts';
import type { Delivery } from './delivery-store.ts';
import type { Outgoing } from './outgoing.ts';
import { partOf, wholeOf } from './render-entries.ts';
import { splitMarkdown } from './split.ts';

/*
 * A text that is being written stands in as many posts as it needs so far, and all of them are `live` until its message is
 * in the log: then they are posted as that has it. When it never comes (the request failed, its worker died), they are left
 * over. The next text takes their places, each of its posts the uppermost one that is left, so that it reads in order and
 * in one piece. What it has no use for says that it broke off as soon as that text is whole, so that nothing that comes
 * later stands above it; and so does, at the end of the run, all that no text has followed.
 */

type Text = Extract<Outgoing, { kind: 'text' }>;

/** Of the live posts of a session, the one whose place this text takes. */
export function placeFor(delivery_id: string, live: readonly Delivery[]): PostRef | null {
  const left = live.filter((other) => other.ref !== null && wholeOf(other._id) !== wholeOf(delivery_id));
  // By parts they are in the order of the thread: whatever text takes places begins with its first part at the uppermost.
  return left.toSorted((one, other) => partOf(one._id) - partOf(other._id))[0]?.ref ?? null;
}

/** Of the live posts of a session, those of texts that are over: something else stands where they began. */
export function withoutBeginning(live: readonly Delivery[]): Delivery[] {
  const begun = new Set(live.filter(({ _id }) => partOf(_id) === 0).map(({ _id }) => wholeOf(_id)));
  return live.filter(({ _id }) => !begun.has(wholeOf(_id)));
}

/** @param limit characters of one post */
export function brokenOff(text: Text, limit: number): Text {
  const note = '\n\n*(broken off)*';
  const [said = ''] = splitMarkdown(text.markdown, limit - note.length);
  return { ...text, live: false, markdown: said + note };
}
