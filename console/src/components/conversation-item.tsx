import type { ConversationSummary } from '../../../connectors/web/wire.ts';
import { fullOf, shortOf } from '../time.ts';
import { pathOf } from '../use-route.ts';

interface Props {
  conversation: ConversationSummary;
  isCurrent: boolean;
  onOpen: () => void;
}

/** One line of the list: what it is about, when, and whether something is going on in it. */
export function ConversationItem({ conversation, isCurrent, onOpen }: Props) {
  const { id, title, updated_at, status, waiting, agent } = conversation;
  return (
    <li>
      <a
        className="conversation"
        href={pathOf(id)}
        aria-current={isCurrent ? 'page' : undefined}
        onClick={(event) => {
          // A new tab or window stays the browser's business.
          if (event.metaKey || event.ctrlKey || event.shiftKey) return;
          event.preventDefault();
          onOpen();
        }}
      >
        <span className="conversation-title">{title ?? 'New conversation'}</span>
        <span className="conversation-facts">
          {waiting > 0 ? (
            <span className="badge">Approval needed</span>
          ) : status !== null ? (
            <span className="working">{status}</span>
          ) : (
            agent && <span>{agent.name}</span>
          )}
          <time dateTime={updated_at} title={fullOf(updated_at)}>
            {shortOf(updated_at)}
          </time>
        </span>
      </a>
    </li>
  );
}
