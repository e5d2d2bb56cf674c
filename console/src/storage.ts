import type { PendingMessage } from './thread-state.ts';

/**
 * What a person typed and has not sent, and what was sent and not yet taken, kept on this computer so that a reload or
 * a lost connection loses nothing. Where storage is closed (private windows), it lasts as long as the page.
 */
const fallback = new Map<string, string>();

export function readDraft(personId: string, place: string): string {
  return read(draftKey(personId, place)) ?? '';
}

export function writeDraft(personId: string, place: string, text: string): void {
  write(draftKey(personId, place), text === '' ? null : text);
}

export function readOutbox(personId: string, conversationId: string): PendingMessage[] {
  try {
    const stored: unknown = JSON.parse(read(outboxKey(personId, conversationId)) ?? '[]');
    return Array.isArray(stored) ? stored.filter(isPending) : [];
  } catch {
    return [];
  }
}

export function writeOutbox(personId: string, conversationId: string, pending: PendingMessage[]): void {
  write(outboxKey(personId, conversationId), pending.length === 0 ? null : JSON.stringify(pending));
}

export type Theme = 'system' | 'light' | 'dark';

export function readTheme(): Theme {
  const stored = read('deckhand.theme');
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

export function writeTheme(theme: Theme): void {
  write('deckhand.theme', theme === 'system' ? null : theme);
  if (theme === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme;
}

export function readName(): string {
  return read('deckhand.name') ?? '';
}

export function writeName(name: string): void {
  write('deckhand.name', name);
}

function draftKey(personId: string, place: string): string {
  return `deckhand.draft.${personId}.${place}`;
}

function outboxKey(personId: string, conversationId: string): string {
  return `deckhand.outbox.${personId}.${conversationId}`;
}

function isPending(value: unknown): value is PendingMessage {
  return typeof value === 'object' && value !== null && 'client_id' in value && 'text' in value && 'failure' in value;
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return fallback.get(key) ?? null;
  }
}

function write(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    if (value === null) fallback.delete(key);
    else fallback.set(key, value);
  }
}
