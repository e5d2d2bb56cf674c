import type { PreviewEvent } from './hints.ts';

/** Instead of pieces with a gap: what they belong to is previewed no more. */
export function droppedOf(events: readonly PreviewEvent[]): PreviewEvent[] {
  const ids = new Set(events.map(previewedId).filter((id) => id !== ''));
  return [...ids].map((event_id) => ({ type: 'preview_dropped', event_id }));
}

export function previewedId(event: PreviewEvent): string {
  switch (event.type) {
    case 'event_start':
      return event.event.id;
    case 'event_delta':
    case 'event_so_far':
    case 'preview_dropped':
      return event.event_id;
    case 'tool_output':
      // Output of a call, whose own event came long before.
      return '';
    default:
      return event satisfies never;
  }
}
