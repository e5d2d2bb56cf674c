import type { Delivery } from '../../src/chat/delivery-store.ts';

/** A live post; `ref` is its place in the thread. */
export function livePost(_id: string, ref: string | null): Delivery {
  return {
    _id,
    ref,
    workspace_id: 'wrkspc_1',
    session_id: 'sesn_1',
    conversation: { connector: 'test', tenant: 'T', channel: 'C', thread: '1' },
    state: 'live',
    outgoing: { kind: 'text', delivery_id: _id, markdown: 'x', live: true, agent_name: 'x' },
    claimed_at: new Date(0),
  };
}
