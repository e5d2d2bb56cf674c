import type { InboundCommand, Receipt } from '../inbound.ts';
import type { KeptInbound } from '../inbound-document.ts';
import { actorIdOf } from '../roles.ts';
import { AGENT_FIELDS, DRAWN_FIELD } from './agent-form.ts';
import { archiveAgent } from './agents-archive.ts';
import { showCost } from './agents-cost.ts';
import { editAgent } from './agents-edit.ts';
import { listAgents } from './agents-list.ts';
import { newAgent } from './agents-new.ts';
import { setOwner } from './agents-owner.ts';
import { pauseAgent, resumeAgent } from './agents-pause.ts';
import { setReplyMode } from './agents-reply.ts';
import { giveRole } from './agents-role.ts';
import { listRuns } from './agents-runs.ts';
import { showAgent } from './agents-show.ts';
import { useAgent } from './agents-use.ts';
import { listVersions, rollBack } from './agents-versions.ts';
import { approve, deny } from './approvals-decide.ts';
import { listApprovals } from './approvals-list.ts';
import { showApproval } from './approvals-show.ts';
import { askAgent } from './ask.ts';
import { answer, type Command, type CommandDeps, type CommandReply, plain, refuse } from './command.ts';
import { nearest, parseCommand } from './parse-command.ts';
import { setBudget } from './sessions-budget.ts';
import { mySessions, sessionsHere } from './sessions-list.ts';
import { openSession } from './sessions-open.ts';
import { resumeSession } from './sessions-resume.ts';
import { stopSession } from './sessions-stop.ts';

/** A family of commands: what is typed after one slash. */
interface Family {
  about: string;
  /** What to do first, and one line that may be typed as it stands. */
  first_step: string;
  example: string;
  commands: readonly Command[];
  /** What is meant when nothing follows the slash and the name; null: the help. */
  first: Command | null;
}

const FAMILIES: Readonly<Record<InboundCommand['name'], Family>> = {
  agents: {
    about: 'The agents of this workspace: who they are, how they are made, who answers where.',
    first_step:
      'New here? `/agents list` says who there is. Mention me with what you want done, and the one who answers here does it. ' +
      'Begin with another’s name and a colon, as in `Code Reviewer: look at this`, and that one does.',
    example: '/agents new Code Reviewer',
    commands: [
      listAgents,
      showAgent,
      newAgent,
      editAgent,
      useAgent,
      setReplyMode,
      pauseAgent,
      resumeAgent,
      setOwner,
      listVersions,
      rollBack,
      archiveAgent,
      listRuns,
      showCost,
      giveRole,
    ],
    first: null,
  },
  sessions: {
    about: 'Sessions: what agents were asked to do, each in its thread.',
    first_step: 'New here? Mention me with what you want done: its thread is a session, and `/sessions` lists it.',
    example: '/sessions here',
    commands: [mySessions, sessionsHere, stopSession, resumeSession, openSession, setBudget],
    first: mySessions,
  },
  approvals: {
    about: 'Approvals: what agents ask people before they do it.',
    first_step: 'New here? `/approvals` lists what waits for you, with what it would do and how to decide it.',
    example: '/approvals',
    commands: [listApprovals, showApproval, approve, deny],
    first: listApprovals,
  },
  // No typed command: what a shortcut of the platform asks for.
  ask: { about: '', first_step: '', example: '', commands: [askAgent], first: askAgent },
};

/** Do what somebody asked for with a command. Repeating it changes nothing more. */
export async function runCommand(deps: CommandDeps, kept: KeptInbound, inbound: InboundCommand): Promise<Receipt> {
  const { conversation, person, name, about } = inbound;
  const family = FAMILIES[name];
  const { subcommand, args, fields, stray } = parseCommand(inbound.text, AGENT_FIELDS);
  const command = subcommand === '' ? family.first : family.commands.find((one) => one.name === subcommand);
  if (command === undefined || command === null) return unknown(name, family, subcommand);
  if (command.args === '' && args !== '') {
    return refuse(
      `\`/${name} ${command.name}\` takes nothing behind it: what stands there (${plain(args)}) is not understood.`,
    );
  }
  if (stray !== null) {
    return refuse(
      `I do not understand the line "${plain(stray)}". Below a command each line is \`field: what it shall be\`.`,
    );
  }
  if (fields?.[DRAWN_FIELD] !== undefined) {
    return refuse(
      `\`${DRAWN_FIELD}\` is no line to type. \`/agents use <name>\` in a channel lets an agent answer there.`,
    );
  }
  const workspace_id = await deps.directory.workspaceOf(conversation.connector, conversation.tenant);
  const actor_id = actorIdOf(conversation.connector, person);
  const role = await deps.roles.roleOf(workspace_id, { actor_id, guest: person.guest === true });
  return command.run(deps, {
    kept,
    workspace_id,
    person,
    actor_id,
    role,
    conversation,
    args,
    fields: inbound.fields ?? fields,
    about,
  });
}

function unknown(name: string, family: Family, subcommand: string): CommandReply {
  const help = helpOf(name, family);
  if (subcommand === '' || subcommand === 'help') return answer(help);
  const near = nearest(subcommand, [...family.commands.map((one) => one.name), 'help']);
  const meant = near === null ? '' : ` Did you mean \`/${name} ${near}\`?`;
  return refuse(`There is no \`/${name} ${subcommand.replaceAll('`', '')}\`.${meant}\n\n${help}`);
}

function helpOf(name: string, { about, commands, first, first_step, example }: Family): string {
  const lines = commands.map((one) => {
    const typed = `/${name} ${one.name} ${one.args}`.trim();
    return `- \`${typed}\`: ${one.summary}${one === first ? ` (also \`/${name}\` alone)` : ''}`;
  });
  return `${about}\n\n${first_step}\nFor example: \`${example}\`\n\n${lines.join('\n')}\n\nWhat you see here only you see.`;
}
