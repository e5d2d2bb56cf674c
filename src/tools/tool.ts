import type {
  BetaManagedAgentsImageBlock,
  BetaManagedAgentsTextBlock,
} from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { z } from 'zod';
import type { ImageMediaType } from '../image.ts';
import type { Workspace } from './workspace.ts';

/** What Claude is told about a tool; `input_schema` is JSON Schema as the Messages API takes it. */
export interface ToolDefinition {
  name: string;
  description: string;
  input_schema: { type: 'object'; properties: Record<string, unknown>; required?: string[] };
}

/** Blocks that fit both an `agent.tool_result` event and a Messages API `tool_result` block. */
export type ToolContent = Array<BetaManagedAgentsTextBlock | InlineImageBlock>;

/** An image whose bytes travel with the block. */
export interface InlineImageBlock extends BetaManagedAgentsImageBlock {
  source: { type: 'base64'; media_type: ImageMediaType; data: string };
}

export interface ToolResult {
  content: ToolContent;
  is_error: boolean;
}

/** What one call may use. The workspace is made on the first `openWorkspace` of the session, never before. */
export interface ToolRun {
  session_id: string;
  workspace_id: string;
  openWorkspace(): Promise<Workspace>;
  /** Output as it appears, valid UTF-8, for people who watch. Never the result itself. */
  onProgress(chunk: string): void;
  signal: AbortSignal;
}

/** A call in words, for an approval card or an activity line. */
export interface CallDescription {
  /** A human title: `Run a command`. */
  title: string;
  /** One sentence, at most 300 characters. */
  summary: string;
  /**
   * The exact command or arguments, at most 3,000 characters with a note of what is cut. People approve by it: every
   * argument that changes what the call does stands in it.
   */
  detail: string;
}

/**
 * A tool that the house itself runs. Inputs come from a model: `run` and `describe` take whatever arrives, and neither
 * throws for it. `run` throws only when the infrastructure is broken; everything else is a result with `is_error`.
 */
export interface Tool {
  readonly definition: ToolDefinition;
  /** Running it twice is the same as once, so a call whose worker was lost may run again (invariant 4). */
  readonly idempotent: boolean;
  /** Safe beside other `parallel` calls of the same reply. */
  readonly parallel: boolean;
  /**
   * Claude has begun to write a call that may run: start what any call takes. Nothing that it does may show, whether the
   * call comes or not; what fails is for `run` to say.
   */
  prepare?(context: Pick<ToolRun, 'openWorkspace'>): Promise<void>;
  run(input: unknown, context: ToolRun): Promise<ToolResult>;
  describe(input: unknown): CallDescription;
}

export interface ToolSpec<Input> {
  name: string;
  description: string;
  input: z.ZodType<Input>;
  idempotent: boolean;
  parallel: boolean;
  prepare?: NonNullable<Tool['prepare']>;
  run(input: Input, context: ToolRun): Promise<ToolResult>;
  describe(input: Input): CallDescription;
}

/** A tool from a typed spec: the input is parsed once, and a bad one becomes a result that says what is wrong with it. */
export function defineTool<Input>(spec: ToolSpec<Input>): Tool {
  return {
    definition: { name: spec.name, description: spec.description, input_schema: inputSchema(spec.input) },
    idempotent: spec.idempotent,
    parallel: spec.parallel,
    ...(spec.prepare === undefined ? {} : { prepare: spec.prepare }),
    async run(input, context) {
      const parsed = spec.input.safeParse(input);
      if (!parsed.success) return toolError(`${spec.name}: ${describeInputError(parsed.error)}`);
      return spec.run(parsed.data, context);
    },
    describe(input) {
      const parsed = spec.input.safeParse(input);
      return parsed.success ? spec.describe(parsed.data) : describeUnknownCall(spec.name, input);
    },
  };
}

export function toolText(text: string): ToolResult {
  return { content: [{ type: 'text', text }], is_error: false };
}

export function toolError(text: string): ToolResult {
  return { content: [{ type: 'text', text }], is_error: true };
}

/** Words for a call of a tool that is not ours (custom, MCP) or whose input does not parse. Never throws. */
export function describeUnknownCall(name: string, input: unknown): CallDescription {
  return { title: `Use ${name}`, summary: `Use the tool ${name}.`, detail: clip(jsonOf(input), DETAIL_LIMIT) };
}

const SUMMARY_LIMIT = 300;
const DETAIL_LIMIT = 3000;

/** A description within its limits. */
export function describeCall(title: string, summary: string, detail: string): CallDescription {
  return { title, summary: clip(summary.replace(/\s+/g, ' '), SUMMARY_LIMIT), detail: clip(detail, DETAIL_LIMIT) };
}

/** At most `limit` characters, never cutting a surrogate pair, saying how much is missing. */
export function clip(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const room = Math.max(0, limit - 40);
  // An odd cut would leave half of a surrogate pair at the end.
  const cut = /[\uD800-\uDBFF]/.test(text[room - 1] ?? '') ? room - 1 : room;
  return `${text.slice(0, cut)}… (${text.length - cut} more characters)`;
}

function jsonOf(input: unknown): string {
  try {
    return JSON.stringify(input, null, 2) ?? String(input);
  } catch {
    return 'arguments that cannot be shown';
  }
}

function inputSchema(schema: z.ZodType): ToolDefinition['input_schema'] {
  const { properties, required } = z.toJSONSchema(schema, { io: 'input' });
  return { type: 'object', properties: { ...properties }, ...(required === undefined ? {} : { required }) };
}

function describeInputError(error: z.ZodError): string {
  const problems = error.issues.slice(0, 5).map((issue) => {
    const path = issue.path.map(String).join('.');
    return path === '' ? issue.message : `${path}: ${issue.message}`;
  });
  return `the input is not valid (${problems.join('; ')}). Correct it and call the tool again.`;
}
