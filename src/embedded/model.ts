import type { BetaContentBlockParam, BetaMessageParam } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { type Answer, type MessagesApi, type ModelRequest, serveMessagesApi } from './messages-api.ts';

/** A pace that can be read along. */
const TOKENS_PER_SECOND = 40;
const FIRST_TOKEN_MS = 150;

const SELF = 'I am a **scripted stand-in**, not Claude: set `ANTHROPIC_API_KEY` and restart to talk to Claude.';

const TOUR = `${SELF}

I can show you how Deckhand works. Try one of these:

- run \`uname -a && ls -la\` — a command in a sandbox, without network
- run \`for i in 1 2 3; do echo "step $i"; sleep 1; done\` — output as it appears
- deploy the app — something risky, which waits for your approval
- write a haiku — a longer answer, streamed`;

/** What the page offers to try while the stand-in answers. */
export const STAND_IN_EXAMPLES = [
  { title: 'What is this?', prompt: 'What can you do for me here?' },
  { title: 'Run a command', prompt: 'run `uname -a && ls -la`' },
  { title: 'Watch output appear', prompt: 'run `for i in 1 2 3; do echo "step $i"; sleep 1; done`' },
  { title: 'Something risky', prompt: 'deploy the app' },
];

const HAIKU = `Ropes coiled on the deck,
the watch changes without words:
the log knows the rest.`;

const RISKY_COMMAND = 'mkdir -p build && rm -rf build && echo "deployed"';

/**
 * The stand-in that answers when no `ANTHROPIC_API_KEY` is set: the same HTTP API, spoken to by the same SDK, but its
 * words come from the few rules below. It says what it is in its first answer of every conversation.
 */
export async function startStandIn(
  pace: { tokens_per_second: number; ttft_ms: number } | null = DEFAULT_PACE,
): Promise<MessagesApi> {
  return serveMessagesApi((request) => ({ ...standInAnswer(request), ...pace }));
}

const DEFAULT_PACE = { tokens_per_second: TOKENS_PER_SECOND, ttft_ms: FIRST_TOKEN_MS };

/** What the stand-in says to this request: a pure function of it. */
export function standInAnswer(request: ModelRequest): Answer {
  const last = request.messages.at(-1);
  const results = last === undefined ? [] : toolResults(last);
  if (results.length > 0) return { text: reportOn(results) };

  const said = last === undefined ? '' : textOf(last);
  const first = !request.messages.some((message) => message.role === 'assistant');
  const greeting = first ? `${SELF}\n\n` : '';
  const canRun = (request.tools ?? []).some((tool) => tool.name === 'bash');
  const command = commandIn(said);
  if (command !== null && canRun) {
    return { text: `${greeting}I will run \`${command}\`.`, tool_uses: [bash(command)] };
  }
  if (/\b(deploy|approve|approval|risky)\b/i.test(said) && canRun) {
    return {
      text: `${greeting}That changes things, so somebody has to approve it first.`,
      tool_uses: [bash(RISKY_COMMAND)],
    };
  }
  if (/\bhaiku\b/i.test(said)) return { text: `${greeting}${HAIKU}` };
  return { text: TOUR };
}

function bash(command: string) {
  return { name: 'bash', input: { command } };
}

/** The command in backticks, or what follows `run` on the same line. */
function commandIn(text: string): string | null {
  const quoted = /`([^`\n]+)`/.exec(text)?.[1];
  const after = /(?:^|\s)(?:run|execute)\s*:?\s+(.+)$/im.exec(text)?.[1];
  const command = quoted ?? after;
  return command === undefined ? null : command.trim();
}

interface ToolResult {
  text: string;
  is_error: boolean;
}

function reportOn(results: ToolResult[]): string {
  return results.map(reportOne).join('\n\n');
}

function reportOne({ text, is_error }: ToolResult): string {
  if (text.startsWith('Denied by')) return `Understood, I will not do it. (${text})`;
  const shown = text.length > 2000 ? `${text.slice(0, 2000)}\n…` : text;
  // A fence that the output itself cannot close.
  const longest = Math.max(2, ...[...shown.matchAll(/`+/g)].map((run) => run[0].length));
  const fence = '`'.repeat(longest + 1);
  const opening = is_error ? 'That did not work:' : 'Done. It printed:';
  return `${opening}\n\n${fence}\n${shown}\n${fence}`;
}

function toolResults(message: BetaMessageParam): ToolResult[] {
  return blocksOf(message).flatMap((block) => {
    if (block.type !== 'tool_result') return [];
    const { content } = block;
    const text =
      typeof content === 'string'
        ? content
        : (content ?? []).map((part) => (part.type === 'text' ? part.text : `(${part.type})`)).join('\n');
    return [{ text, is_error: block.is_error === true }];
  });
}

/** What people said, without the lines that say who said it. */
function textOf(message: BetaMessageParam): string {
  return blocksOf(message)
    .flatMap((block) => (block.type === 'text' && !block.text.startsWith('<sender ') ? [block.text] : []))
    .join('\n');
}

function blocksOf(message: BetaMessageParam): BetaContentBlockParam[] {
  return typeof message.content === 'string'
    ? [{ type: 'text', text: message.content }]
    : (message.content ?? []).filter((block) => block.type !== 'tool_addition' && block.type !== 'tool_removal');
}
