import type { InboundCommand, Receipt } from '../../src/chat/inbound.ts';
import type { Role } from '../../src/chat/roles.ts';
import type { AgentDocument } from '../../src/resources/agents.ts';
import { type ChatStage, place } from './chat-stage.ts';

let commands = 0;

/** Somebody in the channel of `place`: Ada is the first admin (DECKHAND_ADMINS), everybody else a member. */
export function commanded(text: string, over: Partial<InboundCommand> = {}, name = 'Ana'): InboundCommand {
  commands += 1;
  const [, command = 'agents', rest = ''] = /^\/(\w+)\s*([^]*)$/.exec(text) ?? [];
  return {
    event_id: `Cmd${commands}`,
    conversation: { ...place, thread: place.channel },
    person: { id: `U_${name.toUpperCase()}`, name },
    name: command as InboundCommand['name'],
    text: rest,
    ...over,
  };
}

/** What people type in chat, and what each of them is answered. */
export function typing(stage: ChatStage) {
  const receiver = stage.receiver();
  const says =
    (name: string) =>
    async (text: string, over: Partial<InboundCommand> = {}): Promise<Receipt> =>
      receiver.command(commanded(text, over, name));
  return {
    ada: says('Ada'),
    ana: says('Ana'),
    ben: says('Ben'),
    as: says,
    /** Fills in the form that a command is answered with, and sends it. */
    async fills(name: string, text: string, fields: Record<string, string>): Promise<Receipt> {
      const { form } = await says(name)(text);
      if (form === undefined) throw new Error(`${text} was answered without a form`);
      const shown = Object.fromEntries(form.fields.map((field) => [field.name, field.value]));
      return says(name)(`/${form.command} ${form.text}`, { fields: { ...shown, ...fields } });
    },
  };
}

/** An agent of Ana's. */
export async function agentOf(
  stage: ChatStage,
  name: string,
  metadata: Record<string, string> = {},
): Promise<AgentDocument> {
  return stage.agents.create(stage.defaults.workspace_id, {
    name,
    model: 'claude-sonnet-5-5',
    metadata: { deckhand_owners: 'test:U_ANA', ...metadata },
  });
}

export async function give(stage: ChatStage, name: string, role: Role): Promise<void> {
  await typing(stage).ada(`/agents role test:U_${name.toUpperCase()} ${role}`);
}
