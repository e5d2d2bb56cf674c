import type { HomeView, ModalView } from '@slack/types';
import { describe, expect, it } from 'vitest';
import { formModal, parseMemory } from '../../../connectors/slack/form-modal.ts';
import { fieldsOf } from '../../../connectors/slack/form-values.ts';
import { homeTrouble, homeView } from '../../../connectors/slack/home-view.ts';
import { agentFields, FRESH } from '../../../src/chat/commands/agent-form.ts';
import type { Form, FormField, Overview } from '../../../src/chat/inbound.ts';
import type { AgentConfig } from '../../../src/resources/agent-config.ts';
import type { EnvironmentDocument } from '../../../src/resources/environments.ts';
import { waitingApproval } from '../../support/cards.ts';
import { busy, empty } from '../../support/overviews.ts';
import { createSlackClock } from '../../support/slack/clock.ts';
import { checkView } from '../../support/slack/view-limits.ts';
import { stateOf } from '../../support/slack/view-state.ts';
import { createWorkspace, type SlackBlock, userNamed } from '../../support/slack/workspace.ts';

const workspace = createWorkspace(createSlackClock());
const ana = userNamed(workspace, 'Ana').id;
const ben = userNamed(workspace, 'Ben').id;
const groups = [
  { id: 'S0ADMINS', name: 'admins' },
  { id: 'S0ONCALL', name: 'oncall' },
];
for (const id of ['C0OPS', 'C0LAB']) {
  workspace.channels.set(id, { id, name: id, kind: 'channel', members: new Set(), is_archived: false });
}

const from = { channel: 'C0OPS', thread: 'C0OPS', response_url: 'https://hooks.slack.test/1' };
const none = { own: [], others: 0 };
const lab = { _id: 'env_lab', name: 'lab' } as EnvironmentDocument;
const reviewer: AgentConfig = {
  ...FRESH,
  name: 'Reviewer',
  system: 'Read before you judge.',
  model: { id: 'claude-opus-5-5', speed: 'standard' },
  metadata: {
    deckhand_owners: `slack:${ana}`,
    deckhand_approvers: `slack:${ana},web:ben,slack:group:S0ONCALL`,
    deckhand_environment: 'env_lab',
    deckhand_budget: '2.50',
    deckhand_quorum: '2',
    deckhand_four_eyes: 'true',
    deckhand_approve_for_session: 'arguments',
    deckhand_remind_after: '30m',
    deckhand_escalate_to: `slack:${ben},slack:channel:C0OPS,web:cara,slack:group:S0GONE,slack:group:S0ONCALL`,
    deckhand_escalate_after: '1h',
    deckhand_expire_after: '8h',
  },
};

function form(fields: FormField[], over: Partial<Form> = {}): Form {
  return { command: 'agents', text: 'new', title: 'New agent', submit: 'Create', fields, ...over };
}

const ask: FormField[] = [
  {
    kind: 'choice',
    name: 'agent',
    label: 'Agent',
    value: 'agent_1',
    options: [{ value: 'agent_1', label: 'deckhand' }],
    optional: false,
  },
  { kind: 'text', name: 'what', label: 'What?', value: '', max_length: 3_000, multiline: true, optional: false },
];
const MODALS: Record<string, ModalView> = {
  'modal-agent-edit': formModal(
    form(agentFields(reviewer, [lab], { own: ['C0OPS', 'C0LAB', 'D0ANA'], others: 2 }), {
      text: 'edit agent_1 3',
      title: 'Edit agent',
      submit: 'Save',
    }),
    { ...from, home: true },
    groups,
  ),
};

const HOMES: Record<string, HomeView> = {
  'home-busy': homeView(busy, 'It is being stopped.'),
  'home-empty': homeView({ ...empty, may_create: true }),
  'home-empty-guest': homeView(empty),
  'home-more': homeView({
    ...busy,
    agents: busy.agents.map((one) => ({ ...one, name: 'A & <B>', description: 'Reads & <judges>' })),
    sessions: busy.sessions.map((one) => ({ ...one, title: 'Why | is <staging> down?' })),
    waiting: { ...busy.waiting, more: 4, cut_short: true },
    more: { agents: 3, sessions: 2 },
  }),
  'home-not-all-looked-at': homeView({ ...empty, waiting: { ...empty.waiting, cut_short: true } }),
  'home-trouble': homeTrouble(),
  'home-trouble-notice': homeTrouble('**code\\_reviewer** is there, and yours: `/agents edit` changes it.'),
};

/** As it is sent. */
function sent(view: ModalView | HomeView): Record<string, unknown> & { blocks: SlackBlock[] } {
  return JSON.parse(JSON.stringify(view));
}

describe('a view in Slack', () => {
  it.each([...Object.entries(MODALS), ...Object.entries(HOMES)])('%s', async (name, view) => {
    checkView(workspace, sent(view), view.type);
    await expect(`${JSON.stringify(view, null, 2)}\n`).toMatchFileSnapshot(`../../snapshots/slack/${name}.json`);
  });

  it('stays within the limits with the most and the longest of everything', () => {
    const long = '<&'.repeat(2_000);
    const many = <T>(one: T) => Array.from({ length: 10 }, () => one);
    const everything: Overview = {
      agents: many(busy.agents[0]).map((one, n) => ({
        ...one,
        agent_id: `agent_${n}`,
        name: long,
        description: long,
        paused: true,
      })),
      sessions: many(busy.sessions[0]).map((one, n) => ({
        session_id: `sesn_${n}`,
        title: long,
        agent_name: long,
        state: 'running',
        link: one?.link ?? null,
      })),
      waiting: {
        approvals: Array.from({ length: 10 }, (_, n) =>
          waitingApproval(`appr_${n}`, {
            agent_name: long,
            card: {
              tool_name: long,
              summary: long,
              why: long,
              detail: long,
              approvers: long,
              quorum: 10,
              escalations: Array.from({ length: 10 }, () => ({ to: long, at: '2026-11-20T14:00:00.000Z' })),
              requested_by: { id: 'U1', name: long },
              for_session: 'tool',
            },
          }),
        ),
        more: 20,
      },
      more: { agents: 140, sessions: 90 },
      month: busy.month,
      may_create: true,
    };
    const home = sent(homeView(everything, long));
    expect(() => checkView(workspace, home, 'home')).not.toThrow();
    // None is left out there.
    const shown = JSON.stringify(home);
    expect(shown).toContain('20 more wait');
    expect(shown).toContain('90 more that began before: `/sessions` lists all, and each goes on in its thread.');
    expect(shown).toContain('140 more: `/agents list` names all, `/agents edit &lt;name&gt;` changes one.');
    const crowd = Array.from({ length: 150 }, (_, n) => ({ ...lab, _id: `env_${n}`, name: long }));
    const config = { ...reviewer, name: 'x'.repeat(256), system: 'y'.repeat(3_000) };
    const about = { author: ana, text: '"\n'.repeat(20_000) };
    const hundreds = Array.from({ length: 300 }, (_, n) => ({ id: `S${n}`, name: long }));
    const modal = formModal(form(agentFields(config, crowd, none)), { ...from, about }, hundreds);
    expect(() => checkView(workspace, sent(modal), 'modal')).not.toThrow();
  });

  it('says how many it leaves out of a choice, and never the one that is chosen', () => {
    const options = Array.from({ length: 130 }, (_, n) => ({ value: `agent_${n}`, label: `Agent ${n}` }));
    const [, what] = ask;
    if (what === undefined) throw new Error('There is no second field');
    const choice: FormField = {
      kind: 'choice',
      name: 'agent',
      label: 'Agent',
      value: 'agent_120',
      options,
      optional: false,
    };
    const modal = formModal(form([choice, what]), from);
    checkView(workspace, sent(modal), 'modal');
    const [first] = sent(modal).blocks;
    expect(first).toMatchObject({
      hint: { text: '30 more are not listed here: a command takes any of them by its name, see /agents help.' },
      element: { initial_option: { value: 'agent_120' } },
    });
    expect(first).toHaveProperty('element.options.length', 100);
  });

  it('gives back what stood in it, with what it could not show', () => {
    const modal = MODALS['modal-agent-edit'];
    if (modal === undefined) throw new Error('There is no such modal');
    const memory = parseMemory(modal.private_metadata ?? '');
    const state = JSON.parse(JSON.stringify(stateOf(sent(modal).blocks, { bash: 'ask' })));
    const fields = fieldsOf(state, memory ?? {});
    expect(fields).toMatchObject({
      name: 'Reviewer',
      bash: 'ask',
      read: 'allow',
      approvers: 'web:ben,slack:group:S0ONCALL',
      quorum: '2',
      four_eyes: 'yes',
      approve_for_session: 'arguments',
      remind_after: '30m',
      escalate_to: reviewer.metadata['deckhand_escalate_to'],
      escalate_after: '1h',
      expire_after: '8h',
      private_detail: 'no',
      environment: 'env_lab',
      channels: 'C0OPS,C0LAB,D0ANA',
      budget: '2.50',
    });
    expect(memory).toMatchObject({ command: 'agents', text: 'edit agent_1 3', home: true, channel: 'C0OPS' });
  });

  it('keeps the order of those who are asked one after another, and puts who is new behind them', () => {
    const modal = MODALS['modal-agent-edit'];
    if (modal === undefined) throw new Error('There is no such modal');
    const memory = parseMemory(modal.private_metadata ?? '') ?? {};
    const picked = {
      escalate_to: [ana, ben],
      escalate_to_groups: ['S0ADMINS', 'S0GONE'],
      escalate_to_channels: ['C0LAB'],
      approvers: [ben],
      approvers_groups: [],
    };
    const state = JSON.parse(JSON.stringify(stateOf(sent(modal).blocks, picked)));
    const fields = fieldsOf(state, memory);
    expect(fields?.escalate_to).toBe(
      `slack:${ben},web:cara,slack:group:S0GONE,slack:${ana},slack:group:S0ADMINS,slack:channel:C0LAB`,
    );
    expect(fields?.approvers).toBe(`web:ben,slack:${ben}`);
    expect(Object.keys(fields ?? {}).filter((name) => /_(groups|channels)$/.test(name))).toEqual([]);
  });

  it('leaves groups that are named as they are where Slack names none', () => {
    const modal = formModal(form(agentFields(FRESH, [lab], none)), from);
    expect(sent(modal).blocks.map(({ block_id }) => block_id)).not.toContain('approvers_groups');
    const named = formModal(form(agentFields(reviewer, [lab], none)), from);
    const state = JSON.parse(JSON.stringify(stateOf(sent(named).blocks, {})));
    expect(fieldsOf(state, parseMemory(named.private_metadata ?? '') ?? {})?.approvers).toBe(
      'web:ben,slack:group:S0ONCALL',
    );
  });

  it.each(['', 'no json', '{"command":"rm"}'])('of somebody else is none of ours: %j', (metadata) => {
    expect(parseMemory(metadata)).toBeNull();
  });
});
