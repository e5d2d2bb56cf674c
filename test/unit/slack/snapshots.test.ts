import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { render } from '../../../connectors/slack/render.ts';
import type { PlannedCall } from '../../../src/chat/outgoing.ts';
import { plannedCall, planOut } from '../../support/cards.ts';
import { checkSurface, snapshotNames, snapshotOf, surfacesOf } from '../../support/slack/surfaces.ts';

const ROOT = new URL('../../../', import.meta.url);

function sourcesIn(folder: string): [file: string, source: string][] {
  const at = new URL(folder, ROOT);
  const files = readdirSync(at).filter((file) => file.endsWith('.ts'));
  return files.map((file) => [file.replace(/\.ts$/, ''), readFileSync(new URL(file, at), 'utf8')]);
}

/** What the connector can be given to post. */
const outgoing = [
  ...readFileSync(new URL('src/chat/outgoing.ts', ROOT), 'utf8').matchAll(/^(?: {2}\| \{| {6}) ?kind: '(\w+)'/gm),
].map(([, kind]) => `outgoing ${kind}`);

/** What draws a modal or the Home tab. */
const views = sourcesIn('connectors/slack/').flatMap(([, source]) =>
  [...source.matchAll(/^export function (\w+)\((?:(?!^\}).)*?\): (?:ModalView|HomeView) \{/gms)].map(
    ([, name]) => `view ${name}`,
  ),
);

/** What makes a form. */
const forms = sourcesIn('src/chat/commands/').flatMap(([file, source]) =>
  /: Form(?: =| \{)/.test(source) ? [`form ${file}`] : [],
);

/** Whatever else says something to somebody, by its call. */
const SAYS = /chat\.postMessage\(|chat\.postEphemeral\(|completeUploadExternal\(|response_type: 'ephemeral'/;
const speakers = sourcesIn('connectors/slack/').flatMap(([file, source]) =>
  SAYS.test(source) ? [`said by ${file}`] : [],
);

/** What says what is wrong with a form's fields. */
const judges = sourcesIn('connectors/slack/').flatMap(([file, source]) =>
  source.includes("response_action: 'errors'") ? [`problems of ${file}`] : [],
);

/** Of each, the snapshots that show it. A kind that is not here fails the test, and so does a snapshot of no kind. */
const SHOWN: Record<string, readonly string[]> = {
  'outgoing text': ['answer', 'answer-plain', 'answer-streamed', 'answer-with-feedback', 'answer-with-table'],
  'outgoing notice': [
    'answers-escalation',
    'answers-thread-agent',
    'answers-thread-private',
    'answers-thread-refused',
    'answers-thread-session',
    'notice-error',
    'notice-info',
    'notice-reminder',
  ],
  'outgoing approval': [
    'answers-shorthanded',
    'approval-allowed',
    'approval-allowed-by-two',
    'approval-allowed-for-session',
    'approval-asked-by-two',
    'approval-asked-directly',
    'approval-denied',
    'approval-denied-long',
    'approval-elsewhere',
    'approval-elsewhere-unknown',
    'approval-escalating',
    'approval-expired',
    'approval-for-same-call',
    'approval-long',
    'approval-named',
    'approval-one-of-two',
    'approval-pending',
    'approval-private',
    'approval-withdrawn',
  ],
  'outgoing file': ['file'],
  'outgoing plan': [
    'plan-channel',
    'plan-channel-denied',
    'plan-channel-running',
    'plan-channel-waiting',
    'plan-dm',
    'plan-dm-denied',
    'plan-dm-running',
    'plan-dm-waiting',
  ],
  'view denyModal': ['approval-deny-modal'],
  'view formModal': [
    'modal-agent-edit-shared',
    'modal-agent-edit',
    'modal-agent-new',
    'modal-agent-owner',
    'modal-ask',
    'modal-ask-about',
  ],
  'view homeTrouble': ['home-trouble', 'home-trouble-notice'],
  'view homeView': ['home-busy', 'home-empty', 'home-empty-guest', 'home-more', 'home-not-all-looked-at'],
  'view reviewModal': ['approval-review-modal', 'approval-review-modal-closed', 'approval-review-modal-long'],
  'view wordsModal': [
    'approval-reviewed-modal',
    'modal-deny-late',
    'modal-not-known',
    'modal-one-moment-deny',
    'modal-one-moment-review',
    'modal-refused',
  ],
  'form agents-edit': ['modal-agent-edit'],
  'form agents-new': ['modal-agent-new'],
  'form agents-owner': ['modal-agent-owner'],
  'form ask': ['modal-ask', 'modal-ask-about'],
  'problems of approval-listeners': ['problems-denial'],
  'problems of command-listeners': [
    'answers-form-agent',
    'answers-form-ask',
    'answers-form-ask-others',
    'answers-form-owner',
    'problems-form-not-done-yet',
    'problems-form-not-taken',
  ],
  'said by ask': ['question'],
  'said by command-listeners': ['trouble-not-taken'],
  'said by files': ['file'],
  'said by posting': ['answer'],
  'said by waiting-answer': [
    'approvals-list',
    'approvals-list-after',
    'approvals-list-empty',
    'approvals-list-full',
    'approvals-list-page',
    'approvals-list-page-empty',
    'approvals-list-unknown',
  ],
  'said by whisper': [
    'answers-agents-channel',
    'answers-agents-edit',
    'answers-agents-help',
    'answers-agents-role',
    'answers-agents-runs',
    'answers-agents-show',
    'answers-agents-versions',
    'answers-approvals',
    'answers-approvals-decided',
    'answers-thread-feedback',
    'answers-thread-files',
    'answers-thread-messages',
    'answers-sessions',
    'answers-sessions-budget',
    'answers-sessions-open',
    'trouble-not-done-yet',
    'trouble-not-recorded',
    'trouble-not-shown',
    'whisper',
    'whisper-by-response-url',
    'whisper-direct',
    'whisper-direct-about-direct',
    'whisper-too-long',
  ],
};

/** Kinds of nothing that can be seen, and why. */
const UNSEEN: Record<string, string> = {
  'outgoing activity': 'Calls go together in a plan.',
  'said by response-url': 'It carries what others say.',
};

describe('what the Slack connector can show', () => {
  it('has a snapshot of every kind', () => {
    const kinds = [...outgoing, ...views, ...forms, ...speakers, ...judges];
    const unshown = kinds.filter((kind) => (SHOWN[kind] ?? []).length === 0 && UNSEEN[kind] === undefined);
    expect(unshown).toEqual([]);
    expect(Object.keys({ ...SHOWN, ...UNSEEN }).toSorted()).toEqual([...new Set(kinds)].toSorted());
    expect([...new Set(Object.values(SHOWN).flat())].toSorted()).toEqual(snapshotNames.toSorted());
  });

  it('finds the kinds in the source', () => {
    expect(outgoing).toHaveLength(6);
    expect(views).toContain('view homeView');
    expect(forms).toContain('form ask');
    expect(speakers).toContain('said by posting');
  });

  it('has none of a call by itself, which is refused', () => {
    const activity = { tool_use_id: '1', tool_name: 'x', title: 'x', detail: '', status: 'done', output: '' } as const;
    const one = { kind: 'activity', delivery_id: 'dlv_1', activity, agent_name: 'x' } as const;
    expect(() => render(one, '1.1')).toThrow('activity_not_shown');
  });

  it.each(snapshotNames)('keeps to Slack’s limits in %s', (name) => {
    for (const surface of surfacesOf(snapshotOf(name))) checkSurface(surface);
  });

  it('has a snapshot of each state of a call in a plan', () => {
    const each = { waiting: 1, running: 1, done: 1, failed: 1, denied: 1 } satisfies Record<PlannedCall['status'], 1>;
    const shown = snapshotNames.map((name) => JSON.stringify(snapshotOf(name)));
    for (const status of Object.keys(each) as PlannedCall['status'][]) {
      const { blocks } = render(planOut('dlv_1', [plannedCall({ status })]), '5.1');
      const [, drawn = ''] = /"status":"(\w+)"/.exec(JSON.stringify(blocks)) ?? [];
      expect(shown.some((text) => text.includes(`"status":"${drawn}"`))).toBe(true);
    }
  });
});
