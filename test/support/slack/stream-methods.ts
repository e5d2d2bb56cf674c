import { SlackApiError } from './api-error.ts';
import { type Arguments, blocksOf, listOf, metadataOf, optional, required } from './arguments.ts';
import { checkBlocks, checkTaskBytes } from './block-limits.ts';
import { shown, threadOf, withBlockIds, writableChannel } from './chat-methods.ts';
import type { Method, MethodScene } from './method.ts';
import { messageAt, type SlackBlock, type SlackMessage } from './workspace.ts';

/*
 * A streamed message is `in_progress` from chat.startStream on. chat.appendStream adds to it. chat.stopStream makes it
 * `completed`. It becomes `errored` about five minutes after its start, appended to or not; from then on, and after a
 * stop, append and stop answer `message_not_in_streaming_state`. While it is in progress chat.update answers
 * `streaming_state_conflict`.
 */
const LIFETIME_MS = 300_000;
/** One chunk of markdown (chat.appendStream reference). */
const CHUNK_CHARACTERS = 12_000;

function expireIfOld(scene: MethodScene, message: SlackMessage): void {
  const { stream } = message;
  if (stream?.state === 'in_progress' && scene.clock.now() - stream.started_at >= LIFETIME_MS) stream.state = 'errored';
}

/** Adjacent markdown grows one block, as it does on the screen. */
function addMarkdown(scene: MethodScene, blocks: SlackBlock[], text: string): void {
  const last = blocks.at(-1);
  if (last?.type === 'markdown') last.text = String(last.text) + text;
  else blocks.push({ type: 'markdown', text, block_id: scene.workspace.nextId('b') });
}

/** All tasks of a message stand in one plan, as with `task_display_mode` plan. */
function planOf(scene: MethodScene, blocks: SlackBlock[]): SlackBlock {
  const known = blocks.find((block) => block.type === 'plan');
  if (known !== undefined) return known;
  const plan: SlackBlock = { type: 'plan', title: 'Plan', tasks: [], block_id: scene.workspace.nextId('b') };
  blocks.push(plan);
  return plan;
}

interface Task {
  task_id: string;
  [field: string]: unknown;
}

/** Guess: what is said again under `details` or `output` is added to what was said before, as markdown is. */
function updateTask(plan: SlackBlock, chunk: Arguments): void {
  const tasks = plan.tasks as Task[];
  const task_id = required(chunk, 'id');
  const known = tasks.find((task) => task.task_id === task_id) ?? { task_id };
  if (!tasks.includes(known)) tasks.push(known);
  Object.assign(known, { type: 'task_card', title: required(chunk, 'title'), status: required(chunk, 'status') });
  for (const field of ['details', 'output']) {
    const text = optional(chunk, field);
    if (text === undefined) continue;
    const elements = [...((known[field] as { elements: unknown[] } | undefined)?.elements ?? [])];
    elements.push({ type: 'rich_text_section', elements: [{ type: 'text', text }] });
    known[field] = { type: 'rich_text', elements };
  }
}

function append(scene: MethodScene, message: SlackMessage, args: Arguments): void {
  const markdown = optional(args, 'markdown_text');
  const chunks = listOf(args, 'chunks') ?? [];
  if (markdown !== undefined) chunks.unshift({ type: 'markdown_text', text: markdown });
  const blocks = structuredClone(message.blocks);
  for (const chunk of chunks) {
    if (chunk.type === 'markdown_text') {
      const text = required(chunk, 'text');
      if (text.length > CHUNK_CHARACTERS) throw new SlackApiError('msg_too_long');
      addMarkdown(scene, blocks, text);
    } else if (chunk.type === 'blocks') {
      // Guess: a blocks chunk keeps the block ids it came with, as chat.postMessage does.
      blocks.push(...withBlockIds(scene, blocksOf(chunk) ?? []));
    } else if (chunk.type === 'plan_update') {
      planOf(scene, blocks).title = required(chunk, 'title');
    } else if (chunk.type === 'task_update') {
      updateTask(planOf(scene, blocks), chunk);
    } else {
      throw new SlackApiError('invalid_chunks');
    }
  }
  // Guess: the whole message is held to the same limits as a posted one.
  checkBlocks(blocks);
  checkTaskBytes(blocks);
  message.blocks = blocks;
  message.text = blocks.map((block) => (block.type === 'markdown' ? String(block.text) : '')).join('');
}

const startStream: Method = (scene, args) => {
  const { workspace, clock } = scene;
  const channel = writableChannel(scene, args);
  // The reference allows a stream outside a thread only in channels; ours always streams replies, so it is required here.
  required(args, 'thread_ts');
  const threadTs = threadOf(scene, args, channel);
  const recipient = optional(args, 'recipient_user_id') ?? null;
  // The reference asks for both when streaming to channels; bot tokens were seen refused without them in direct messages too.
  if (recipient === null) throw new SlackApiError('missing_recipient_user_id');
  const team = optional(args, 'recipient_team_id');
  if (team === undefined) throw new SlackApiError('missing_recipient_team_id');
  // `user_not_found` and `team_not_found` are in the reference without a word on when. Guess: for whom Slack does not know.
  if (!workspace.users.has(recipient)) throw new SlackApiError('user_not_found');
  if (team !== workspace.team_id) throw new SlackApiError('team_not_found');
  const message: SlackMessage = {
    ts: workspace.nextTs(),
    channel: channel.id,
    user: workspace.bot_user_id,
    bot_id: workspace.bot_id,
    text: '',
    blocks: [],
    stream: { state: 'in_progress', started_at: clock.now(), recipient, first: [] },
    ...(threadTs !== undefined && { thread_ts: threadTs }),
  };
  append(scene, message, args);
  if (message.stream !== undefined) message.stream.first = message.blocks;
  workspace.messages.push(message);
  scene.posted(message);
  return { channel: channel.id, ts: message.ts };
};

function streaming(scene: MethodScene, args: Arguments): SlackMessage {
  const channel = writableChannel(scene, args);
  const message = messageAt(scene.workspace, channel.id, required(args, 'ts'));
  if (message === undefined) throw new SlackApiError('message_not_found');
  expireIfOld(scene, message);
  if (message.stream?.state !== 'in_progress') throw new SlackApiError('message_not_in_streaming_state');
  return message;
}

const appendStream: Method = (scene, args) => {
  const message = streaming(scene, args);
  if (optional(args, 'markdown_text') === undefined && listOf(args, 'chunks') === undefined)
    throw new SlackApiError('invalid_arguments');
  append(scene, message, args);
  return { channel: message.channel, ts: message.ts };
};

const stopStream: Method = (scene, args) => {
  const message = streaming(scene, args);
  append(scene, message, args);
  const blocks = blocksOf(args);
  if (blocks !== undefined) {
    checkBlocks([...message.blocks, ...blocks]);
    message.blocks.push(...withBlockIds(scene, blocks));
  }
  const metadata = metadataOf(args);
  if (metadata !== undefined) message.metadata = metadata;
  if (message.stream !== undefined) message.stream.state = 'completed';
  return { channel: message.channel, ts: message.ts, message: shown(message, scene.workspace) };
};

export const streamMethods: Record<string, Method> = {
  'chat.startStream': startStream,
  'chat.appendStream': appendStream,
  'chat.stopStream': stopStream,
};
