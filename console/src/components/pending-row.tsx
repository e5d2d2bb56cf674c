import type { Person } from '../../../connectors/web/wire.ts';
import type { PendingMessage } from '../thread-state.ts';
import { Avatar } from './avatar.tsx';
import { Icon } from './icon.tsx';
import { Markdown } from './markdown.tsx';

interface Props {
  pending: PendingMessage;
  person: Person;
  onRetry: (pending: PendingMessage) => void;
  onDiscard: (pending: PendingMessage) => void;
}

/** A message on its way, or one that did not get there. */
export function PendingRow({ pending, person, onRetry, onDiscard }: Props) {
  return (
    <li className="message message-person body-text pending" data-testid="pending">
      <Avatar person={person} />
      <div className="message-main">
        <p className="message-head">
          <strong>{person.name}</strong> <span>{pending.failure === null ? 'Sending…' : 'Not sent'}</span>
        </p>
        <Markdown text={pending.text} />
        {pending.failure !== null && (
          <div className="refusal" role="alert">
            <p>
              <Icon name="alert" /> {pending.failure}
            </p>
            <button type="button" className="small" onClick={() => onRetry(pending)}>
              Try again
            </button>
            <button type="button" className="quiet small" onClick={() => onDiscard(pending)}>
              Discard
            </button>
          </div>
        )}
      </div>
    </li>
  );
}
