import { useEffect, useRef, useState } from 'react';
import type { WebMessage } from '../../../connectors/web/wire.ts';
import type { ThreadState } from '../thread-state.ts';

/**
 * Speaks to screen readers, politely: whole replies once they are finished (never word by word), what the agent does,
 * and what waits for a decision. Visible to nobody.
 */
export function Announcer({ state }: { state: ThreadState }) {
  const [said, setSaid] = useState('');
  const latest = useRef(state.messages.at(-1)?.revision ?? 0);

  useEffect(() => {
    const fresh = state.messages.filter((message) => message.revision > latest.current).map(spoken);
    const words = fresh.filter((each) => each !== null);
    latest.current = Math.max(latest.current, ...state.messages.map((message) => message.revision));
    if (words.length > 0) setSaid(words.join('\n'));
  }, [state.messages]);

  return (
    <>
      <div className="sr-only" aria-live="polite" data-testid="announcer">
        {said}
      </div>
      <div className="sr-only" role="status">
        {state.conversation.status}
      </div>
    </>
  );
}

function spoken({ author, body, client_id }: WebMessage): string | null {
  switch (body.kind) {
    case 'text':
      return body.live || client_id !== null ? null : `${author.name}: ${body.markdown}`;
    case 'notice':
    case 'whisper':
      return `${author.name}: ${body.markdown}`;
    case 'file':
      return `${author.name}: ${body.file.name}`;
    case 'approval':
      return body.card.state.status === 'pending'
        ? `Approval needed: ${body.card.summary}`
        : `${body.card.summary}: ${body.card.state.status}`;
    case 'activity':
      return null;
    default:
      return body satisfies never;
  }
}
