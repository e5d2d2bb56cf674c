import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Delivery } from '../../src/chat/delivery-store.ts';
import { placeFor, withoutBeginning } from '../../src/chat/leftovers.ts';
import { deliveryId } from '../../src/chat/render-entries.ts';
import { cases } from '../support/cases.ts';
import { livePost } from '../support/live-post.ts';

/** How many posts a text needs while it is written, and at its end: null when that never comes. */
const text = fc.record({ grows: fc.integer({ min: 0, max: 5 }), ends: fc.option(fc.integer({ min: 1, max: 5 })) });

it('however many texts are lost, every post of the next stands below the one before it', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 8 }), (texts) => {
      let standing: Delivery[] = [];
      let thread = 0;
      for (const [index, { grows, ends }] of texts.entries()) {
        const own: number[] = [];
        for (let part = 0; part < Math.max(grows, ends ?? 0); part++) {
          const id = deliveryId(`sevt_${index}`, part);
          const ref = placeFor(id, standing) ?? String(thread++);
          standing = [...standing.filter((other) => other.ref !== ref), livePost(id, ref)];
          own.push(Number(ref));
        }
        expect(own).toEqual(own.toSorted((one, other) => one - other));
        if (ends === null) continue;
        const posted = Array.from({ length: ends }, (_each, part) => deliveryId(`sevt_${index}`, part));
        standing = standing.filter(({ _id }) => !posted.includes(_id));
        const over = withoutBeginning(standing);
        // Nothing is left for a later text to take.
        expect(over).toEqual(standing);
        standing = [];
      }
    }),
    cases(300),
  );
});
