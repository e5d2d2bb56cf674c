import type { Db } from 'mongodb';
import { createApprovalIndexes } from './approvals/approval-store.ts';
import { createChannelSettingsIndexes } from './chat/channel-settings.ts';
import { createConversationIndexes } from './chat/conversation-store.ts';
import { createDeliveryIndexes } from './chat/delivery-store.ts';
import { createInboundIndexes } from './chat/inbound-store.ts';
import { createRoleIndexes } from './chat/roles.ts';
import { createEndedSessionIndexes } from './resources/ended-sessions.ts';
import { createResourceIndexes } from './resources/indexes.ts';
import { createLogIndexes } from './session/mongo-log.ts';

/** Every index of the house; safe to call at every start and from several processes at once. */
export async function createIndexes(db: Db): Promise<void> {
  await Promise.all([
    createLogIndexes(db),
    createResourceIndexes(db),
    createEndedSessionIndexes(db),
    createApprovalIndexes(db),
    createConversationIndexes(db),
    createChannelSettingsIndexes(db),
    createRoleIndexes(db),
    createInboundIndexes(db),
    createDeliveryIndexes(db),
  ]);
}
