import { expect, it } from 'vitest';
import { shorthanded } from '../../src/chat/shorthanded.ts';

const asked = { connector: 'test', tenant: 'T1', channel: 'C1', thread: '100.1' };

it.each([
  ['a guest', true, { there: null }],
  ['no guest', false, null],
  // Admins are called where they are needed, and not whenever a platform is slow.
  ['not known just now', null, null],
] as const)('who asked is %s', async (_what, guest, shortage) => {
  const deps = {
    connectors: new Map([['test', { isGuest: async () => guest, isDirect: () => false }]]),
    roles: { roleOf: async (_workspace: string, { guest: is }: { guest?: boolean }) => (is ? 'guest' : 'member') },
  } as const;
  const approval = {
    workspace_id: 'wrkspc_1',
    requested_by: { via: 'test', id: 'U1', name: 'Ana' },
    also_asked: [],
    policy: { approvers: [], four_eyes: false, remind_after_ms: null, expire_after_ms: null },
  };
  expect(await shorthanded(deps, approval, asked)).toEqual(shortage);
});
