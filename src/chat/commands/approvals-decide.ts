import { detailsOf } from '../look-at-approvals.ts';
import { isShownWhole } from '../outgoing.ts';
import { receiveDecision } from '../receive-decision.ts';
import { visible } from '../visible.ts';
import { type Command, type CommandDeps, type CommandReply, type CommandRequest, refuse } from './command.ts';
import { idAndRest, LISTED_DETAIL, readWord, WHICH } from './find-approval.ts';

const APPROVING = /^(read-[0-9a-f]{4})?\s*(for(?: this| the)? session)?$/i;

export const approve: Command = {
  name: 'approve',
  args: '<id> [for session]',
  summary: 'let it run; for the rest of the session, where that is offered',
  async run(deps, request) {
    const { id, rest } = idAndRest(request.args);
    if (id === '') return refuse(WHICH);
    const said = APPROVING.exec(rest);
    if (said === null) {
      return refuse(`What stands behind the id is not understood. \`/approvals approve ${id}\` approves it.`);
    }
    const [, word, session] = said;
    const details = await detailsOf(deps, {
      conversation: request.conversation,
      person: request.person,
      approval_id: id,
    });
    if ('refused' in details) return refuse(details.refused);
    if (details.closed === null) {
      if (session !== undefined && details.for_session === undefined) {
        return refuse(`This one cannot be approved for the session. \`/approvals approve ${id}\` approves this call.`);
      }
      const approval = await deps.approvals.find(request.workspace_id, id);
      const isListed =
        approval !== null && isShownWhole({ ...approval.policy, detail: visible(approval.detail) }, LISTED_DETAIL);
      // Nobody approves what they have not had before their eyes.
      if (!isListed && word?.toLowerCase() !== readWord(details.detail)) {
        return refuse(`Read all of it first: \`/approvals show ${id}\`. Its end says how to approve it.`);
      }
    }
    return decide(deps, request, {
      approval_id: id,
      decision: 'allow',
      for_session: session !== undefined,
    });
  },
};

export const deny: Command = {
  name: 'deny',
  args: '<id> [why]',
  summary: 'do not let it run; the agent is told why',
  async run(deps, request) {
    const { id, rest } = idAndRest(request.args);
    if (id === '') return refuse(WHICH);
    return decide(deps, request, { approval_id: id, decision: 'deny', reason: rest });
  },
};

type Decision = Omit<Parameters<typeof receiveDecision>[1], 'event_id' | 'conversation' | 'person'>;

async function decide(
  deps: CommandDeps,
  { kept, conversation, person }: CommandRequest,
  decision: Decision,
): Promise<CommandReply> {
  const event_id = kept.id.toHexString();
  const { effect, text } = await receiveDecision(deps, { ...decision, event_id, conversation, person });
  return { effect: effect === 'accepted' ? 'accepted' : 'refused', text: text ?? '' };
}
