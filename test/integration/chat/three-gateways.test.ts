import { expect, it } from 'vitest';
import type { Receipt } from '../../../src/chat/inbound.ts';
import { derivedId, newId } from '../../../src/session/id.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { asks, ends, says } from '../../support/chat-events.ts';
import type { PatientReceiver } from '../../support/chat-stage.ts';
import { place, said } from '../../support/chat-stage.ts';
import { commanded } from '../../support/commands.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
const person = { id: 'U_ANA', name: 'Ana' };

/** What somebody does once, and how often it is seen to have been done. */
interface Deed {
  send(receiver: PatientReceiver): Promise<Receipt>;
  done(): Promise<unknown[]>;
}

async function click(ref: SessionRef): Promise<Deed> {
  const tool_use_id = newId('sevt');
  const approval_id = derivedId('appr', tool_use_id);
  await stage.append(ref, ...asks(approval_id, tool_use_id));
  const decision = { event_id: 'Ev_click', conversation: place, person, approval_id, decision: 'allow' as const };
  return {
    send: (receiver) => receiver.decision(decision),
    done: () => stage.entries('user.tool_confirmation'),
  };
}

async function feedback(ref: SessionRef): Promise<Deed> {
  const [event_id = ''] = await stage.append(ref, says('There are two files.'), ends());
  const answer = { session_id: ref.session_id, event_id };
  const given = { event_id: 'Ev_feedback', conversation: place, person, answer, rating: 'good' as const };
  return {
    send: (receiver) => receiver.feedback(given),
    done: () => stage.log.query({ ...ref, types: ['deckhand.feedback'], order: 'asc', limit: 10 }),
  };
}

async function stop(ref: SessionRef): Promise<Deed> {
  await stage.append(ref, { type: 'session.status_running' });
  return {
    send: (receiver) => receiver.stop({ event_id: 'Ev_stop', conversation: place, person }),
    done: () => stage.entries('user.interrupt'),
  };
}

async function command(ref: SessionRef): Promise<Deed> {
  await stage.append(ref, { type: 'session.status_running' });
  const typed = commanded(`/sessions stop ${ref.session_id}`);
  return { send: (receiver) => receiver.command(typed), done: () => stage.entries('user.interrupt') };
}

async function form(): Promise<Deed> {
  const sent = commanded('/agents new', { fields: { name: 'Reviewer' } });
  return {
    send: (receiver) => receiver.command(sent),
    async done() {
      const { items } = await stage.agents.list(stage.defaults.workspace_id, { include_archived: true });
      return items.filter(({ config }) => config.name === 'Reviewer');
    },
  };
}

it.each([
  ['a click', click],
  ['feedback', feedback],
  ['Stop', stop],
  ['a command', command],
  ['a form', form],
])('%s that comes to three gateways at once has one effect', async (_what, prepare) => {
  await stage.receiver().message(said('clean up'));
  const [ref] = await stage.refs();
  if (ref === undefined) throw new Error('There is no session');
  const deed = await prepare(ref);
  const receipts = await Promise.all([1, 2, 3].map(() => deed.send(stage.receiver())));
  expect(receipts.map(({ effect }) => effect).sort()).toEqual(['accepted', 'duplicate', 'duplicate']);
  expect(await deed.done()).toHaveLength(1);
});
