import { z } from 'zod';
import { blocksHtml } from './blocks-html.ts';
import { escapeHtml, mrkdwnHtml } from './mrkdwn-html.ts';

const label = z.looseObject({ text: z.string() });
const modal = z.looseObject({
  type: z.literal('modal'),
  title: label,
  submit: label.optional(),
  close: label,
  blocks: z.array(z.unknown()),
});
const home = z.looseObject({ type: z.literal('home'), blocks: z.array(z.unknown()) });
const message = z.looseObject({ text: z.string().default(''), blocks: z.array(z.unknown()) });
const textAlone = z.looseObject({ text: z.string() }).transform(({ text: words }) => ({ text: words, blocks: [] }));
const problems = z.object({ errors: z.record(z.string(), z.string()) });
const answers = z.object({ answers: z.array(z.looseObject({ by: z.string(), asked: z.string() })) });
const blocks = z.array(z.unknown()).transform((list) => ({ text: '', blocks: list }));

/** A snapshot of what the connector sends (a message, a modal, the Home tab) as the inside of a page. */
export function surfaceHtml(snapshot: unknown): string {
  const several = answers.safeParse(snapshot).data?.answers;
  if (several !== undefined) {
    return several
      .map((one) => `<p><b>${escapeHtml(one.by)}</b> ${escapeHtml(one.asked)}</p>${surfaceHtml(one)}`)
      .join('');
  }
  const wrong = problems.safeParse(snapshot).data?.errors;
  if (wrong !== undefined) {
    return `<main>${Object.entries(wrong)
      .map(([name, text]) => `<p><b>${escapeHtml(name)}</b> ${escapeHtml(text)}</p>`)
      .join('')}</main>`;
  }
  const shown = z.union([modal, home, message, textAlone, blocks]).parse(snapshot);
  const inside = blocksHtml(shown.blocks);
  if (modal.safeParse(shown).success) return modalHtml(modal.parse(shown), inside);
  if (home.safeParse(shown).success) return `<main class="home">${inside}</main>`;
  // The text beside blocks is for notifications and screen readers.
  const said = shown.blocks.length > 0 ? inside : mrkdwnHtml(message.parse(shown).text);
  return `<main class="message"><div class="avatar">D</div><div><div><b>deckhand</b> <span class="app">APP</span></div>${said}</div></main>`;
}

function modalHtml({ title, submit, close }: z.infer<typeof modal>, inside: string): string {
  const send = submit === undefined ? '' : `<span class="button primary">${escapeHtml(submit.text)}</span>`;
  const buttons = `<span class="button">${escapeHtml(close.text)}</span>${send}`;
  return `<main class="modal"><h2>${escapeHtml(title.text)}</h2><div class="inside">${inside}</div><footer>${buttons}</footer></main>`;
}

/** The page around it. */
export function pageHtml(inside: string): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><style>${STYLE}</style></head><body>${inside}</body></html>`;
}

const STYLE = `
body { margin: 0; padding: 12px; width: 600px; background: #fff; color: #1d1c1d; font: 15px/1.45 "DejaVu Sans", sans-serif; font-size: 14px; }
main { max-height: 620px; overflow: hidden; padding: 8px; }
.modal { padding: 0; margin: 4px; }
.emoji { display: inline-block; width: 15px; height: 15px; line-height: 15px; border-radius: 4px; color: #fff; text-align: center; font-size: 11px; font-style: normal; }
h1 { font-size: 18px; }
ol, ul { margin: 4px 0; padding-left: 22px; }
.message { display: flex; gap: 10px; }
.message > div:last-child { flex: 1; min-width: 0; }
.avatar { width: 34px; height: 34px; border-radius: 6px; background: #1f3a5f; color: #fff; text-align: center; line-height: 34px; font-weight: bold; }
.app, .hint { color: #616061; font-size: 11px; }
.app { background: #ebeaeb; border-radius: 2px; padding: 0 3px; }
.modal { border: 1px solid #bbb; border-radius: 8px; width: 480px; }
.modal .inside { padding: 0 20px; max-height: 480px; overflow: hidden; }
.modal h2 { font-size: 16px; margin: 0; padding: 12px 20px; border-bottom: 1px solid #ddd; }
.modal footer { padding: 10px 20px; text-align: right; border-top: 1px solid #ddd; margin-top: 12px; }
h3 { font-size: 15px; margin: 10px 0 6px; }
.section { display: flex; justify-content: space-between; gap: 12px; margin: 6px 0; align-items: start; }
.context { color: #616061; font-size: 12px; margin: 5px 0; }
.actions { margin: 8px 0; display: flex; gap: 8px; }
.rating span { border: 1px solid #ddd; border-radius: 4px; padding: 1px 8px; font-size: 12px; color: #616061; }
.button { display: inline-block; border: 1px solid #bbb; border-radius: 5px; padding: 4px 12px; font-weight: bold; font-size: 12.5px; margin-left: 6px; white-space: nowrap; }
.actions .button { margin-left: 0; }
.primary { background: #007a5a; border-color: #007a5a; color: #fff; }
.danger { background: #e01e5a; border-color: #e01e5a; color: #fff; }
.mention { background: #e8f5fa; color: #1264a3; border-radius: 3px; padding: 0 2px; }
a { color: #1264a3; }
code { background: #f6f6f6; border: 1px solid #ddd; border-radius: 3px; padding: 0 3px; font: 12px "DejaVu Sans Mono", monospace; color: #c01343; }
pre { background: #f8f8f8; border: 1px solid #ddd; border-radius: 4px; padding: 7px 9px; margin: 6px 0; font: 12px/1.5 "DejaVu Sans Mono", monospace; white-space: pre-wrap; }
pre code { border: 0; padding: 0; color: inherit; }
.markdown > *:first-child { margin-top: 4px; }
hr { border: 0; border-top: 1px solid #ddd; margin: 12px 0; }
table { border-collapse: collapse; margin: 6px 0; }
td { border: 1px solid #ddd; padding: 4px 10px; }
.plan { border: 1px solid #ddd; border-radius: 8px; padding: 10px 14px; margin-top: 4px; }
.task { display: flex; gap: 8px; margin-top: 8px; font-size: 13px; }
.task i { font-style: normal; width: 14px; color: #007a5a; }
.task.error i { color: #e01e5a; }
.task.in_progress i { color: #1264a3; }
.task.pending i { color: #616061; }
.input { margin: 10px 0; }
.input label { display: block; font-weight: bold; font-size: 13px; margin-bottom: 4px; }
.field { border: 1px solid #999; border-radius: 4px; min-height: 20px; padding: 5px 9px; white-space: pre-wrap; }
.field.tall { min-height: 52px; }
.select { display: flex; justify-content: space-between; }
`;
