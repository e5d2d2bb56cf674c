import { SlackApiError } from './api-error.ts';
import type { SlackBlock, SlackMetadata } from './workspace.ts';

/** A method's arguments as they arrived: form fields, or the fields of a JSON body. */
export type Arguments = Readonly<Record<string, unknown>>;

export function optional(args: Arguments, name: string): string | undefined {
  const value = args[name];
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

export function required(args: Arguments, name: string): string {
  const value = optional(args, name);
  if (value === undefined)
    throw new SlackApiError('invalid_arguments', { response_metadata: { messages: [`[ERROR] missing ${name}`] } });
  return value;
}

/** Web API clients send lists and objects as JSON in a form field. */
function parsed(args: Arguments, name: string, error: string): unknown {
  const value = args[name];
  if (typeof value !== 'string') return value;
  try {
    const json: unknown = JSON.parse(value);
    return json;
  } catch {
    throw new SlackApiError(error);
  }
}

function isBlock(value: unknown): value is SlackBlock {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

export function blocksOf(args: Arguments, name = 'blocks'): SlackBlock[] | undefined {
  const value = parsed(args, name, 'invalid_blocks_format');
  if (value === undefined || value === '') return undefined;
  if (!Array.isArray(value) || !value.every(isBlock)) throw new SlackApiError('invalid_blocks_format');
  return value;
}

export function objectOf(args: Arguments, name: string): Record<string, unknown> | undefined {
  const value = parsed(args, name, 'invalid_arguments');
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}

export function listOf(args: Arguments, name: string): Record<string, unknown>[] | undefined {
  const value = parsed(args, name, 'invalid_chunks');
  if (value === undefined || value === '') return undefined;
  if (!Array.isArray(value)) throw new SlackApiError('invalid_chunks');
  return value.map((item: unknown) => (typeof item === 'object' && item !== null ? { ...item } : {}));
}

/** The reference of message metadata: both fields, and a payload of scalars. */
export function metadataOf(args: Arguments): SlackMetadata | undefined {
  const value = objectOf(args, 'metadata');
  if (value === undefined) return undefined;
  const payload = objectOf(value, 'event_payload');
  if (typeof value.event_type !== 'string' || payload === undefined) throw new SlackApiError('invalid_metadata_format');
  return { event_type: value.event_type, event_payload: payload };
}
