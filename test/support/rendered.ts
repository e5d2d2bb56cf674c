import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import type { WebMessage } from '../../connectors/web/wire.ts';
import { MessageRow } from '../../console/src/components/message-row.tsx';

export interface RenderedMessage {
  /** All that can be read. */
  text: string;
  /** Labels of the buttons. */
  buttons: string[];
}

/** A message as the page draws it, without a browser. */
export function renderMessage(message: WebMessage): RenderedMessage {
  const unasked = () => Promise.reject(new Error('Nobody clicks here'));
  const row = { message, continues: false, decide: unasked, details: unasked };
  const drawn = renderToStaticMarkup(createElement(MessageRow, row));
  // What the clock shows is nobody's words.
  const html = drawn.replaceAll(/<time[^>]*>.*?<\/time>/g, '');
  const buttons = [...html.matchAll(/<button[^>]*>(.*?)<\/button>/gs)].map((match) => readable(match[1] ?? ''));
  return { text: readable(html), buttons };
}

const ENTITIES: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'", '&amp;': '&' };

/** The text of static markup. */
export function readable(html: string): string {
  return html
    .replaceAll(/<(p|div|li|dt|dd|h\d|pre|time|span)\b[^>]*>/g, ' ')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll(/&(lt|gt|quot|#x27|amp);/g, (entity) => ENTITIES[entity] ?? entity)
    .trim();
}
