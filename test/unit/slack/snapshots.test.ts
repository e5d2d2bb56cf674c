import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { render } from '../../../connectors/slack/render.ts';
import { checkBlocks } from '../../support/slack/block-limits.ts';
import { createSlackClock } from '../../support/slack/clock.ts';
import { checkView } from '../../support/slack/view-limits.ts';
import { createWorkspace, type SlackBlock } from '../../support/slack/workspace.ts';

const ROOT = new URL('../../../', import.meta.url);
const SNAPSHOTS = new URL('test/snapshots/slack/', ROOT);

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

/** Of each, the snapshots that show it. A kind that is not here fails the test, and so does a snapshot of no kind. */
const SHOWN: Record<string, readonly string[]> = {
  'outgoing text': ['answer', 'answer-streamed', 'answer-with-feedback', 'answer-with-table'],
  'outgoing notice': ['notice-info', 'notice-error', 'notice-reminder'],
  'outgoing approval': [
    'approval-allowed',
    'approval-allowed-by-two',
    'approval-asked-by-two',
    'approval-asked-directly',
    'approval-denied',
    'approval-elsewhere',
    'approval-escalating',
    'approval-expired',
    'approval-long',
    'approval-named',
    'approval-one-of-two',
    'approval-pending',
    'approval-private',
    'approval-withdrawn',
  ],
  'outgoing file': ['file'],
  'outgoing plan': ['plan-channel', 'plan-dm'],
  'view denyModal': ['approval-deny-modal'],
  'view formModal': ['modal-agent-edit', 'modal-agent-new', 'modal-agent-owner', 'modal-ask', 'modal-ask-about'],
  'view homeTrouble': ['home-trouble'],
  'view homeView': ['home-busy', 'home-empty-guest', 'home-not-all-looked-at'],
  'view reviewModal': ['approval-review-modal', 'approval-review-modal-closed', 'approval-review-modal-long'],
  'view wordsModal': ['approval-reviewed-modal'],
  'form agents-edit': ['modal-agent-edit'],
  'form agents-new': ['modal-agent-new'],
  'form agents-owner': ['modal-agent-owner'],
  'form ask': ['modal-ask', 'modal-ask-about'],
  'said by ask': ['question'],
  'said by command-listeners': [],
  'said by files': ['file'],
  'said by posting': ['answer'],
  'said by waiting-answer': ['approvals-list', 'approvals-list-empty'],
  'said by whisper': [
    'command-cost',
    'command-help',
    'command-list',
    'command-runs',
    'command-sessions',
    'command-show',
    'command-unknown',
    'command-versions',
    'whisper',
    'whisper-by-response-url',
  ],
};

/** Kinds of nothing that can be seen, and why. */
const UNSEEN: Record<string, string> = {
  'outgoing activity': 'Calls go together in a plan.',
  'said by command-listeners': 'One sentence of ours, without blocks.',
  'said by response-url': 'It carries what others say.',
};

const names = readdirSync(SNAPSHOTS).map((file) => file.replace(/\.json$/, ''));

describe('what the Slack connector can show', () => {
  it('has a snapshot of every kind', () => {
    const kinds = [...outgoing, ...views, ...forms, ...speakers];
    const unshown = kinds.filter((kind) => (SHOWN[kind] ?? []).length === 0 && UNSEEN[kind] === undefined);
    expect(unshown).toEqual([]);
    expect(Object.keys({ ...SHOWN, ...UNSEEN }).toSorted()).toEqual([...new Set(kinds)].toSorted());
    expect([...new Set(Object.values(SHOWN).flat())].toSorted()).toEqual(names.toSorted());
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

  it.each(names)('keeps to Slack’s limits in %s', (name) => {
    const snapshot: unknown = JSON.parse(readFileSync(new URL(`${name}.json`, SNAPSHOTS), 'utf8'));
    const { type, blocks } = asSurface(snapshot);
    if (type === undefined) checkBlocks(blocks);
    else checkView(workspaceOf(JSON.stringify(snapshot)), { ...(snapshot as object) }, type);
  });
});

/** A workspace with everybody and everything that is named. */
function workspaceOf(text: string) {
  const workspace = createWorkspace(createSlackClock());
  for (const [, id = ''] of text.matchAll(/"(U\w+)"/g)) workspace.users.set(id, { id, name: id, is_bot: false });
  for (const [, id = ''] of text.matchAll(/"(C\w+)"/g)) {
    workspace.channels.set(id, { id, name: id, kind: 'channel', members: new Set(), is_archived: false });
  }
  return workspace;
}

/** A message as its blocks, or with a text beside them; or a view. */
function asSurface(snapshot: unknown): { type?: 'modal' | 'home'; blocks: SlackBlock[] } {
  return Array.isArray(snapshot) ? { blocks: snapshot } : (snapshot as { blocks: SlackBlock[] });
}
