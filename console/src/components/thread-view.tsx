import { Fragment } from 'react';
import type { Person, ReceiptBody, WebMessage } from '../../../connectors/web/wire.ts';
import type { Choice } from '../api.ts';
import { dayOf } from '../time.ts';
import { useBottom } from '../use-bottom.ts';
import type { Thread } from '../use-thread.ts';
import { Icon } from './icon.tsx';
import { MessageRow } from './message-row.tsx';
import { PendingRow } from './pending-row.tsx';
import { StatusLine } from './status-line.tsx';

interface Props {
  thread: Thread;
  person: Person;
  working: boolean;
  decide: (approvalId: string, choice: Choice, reason: string) => Promise<ReceiptBody>;
  details: (approvalId: string) => Promise<string>;
}

/** Everything said in a conversation, following the newest while the reader is at the bottom. */
export function ThreadView({ thread, person, working, decide, details }: Props) {
  const { conversation, messages, pending, earlier } = thread.state;
  const { scroller, content, isAtBottom, toBottom } = useBottom(messages[0]?.id);

  return (
    <div className="thread-frame">
      <div className="thread" ref={scroller} tabIndex={0} role="region" aria-label="Messages">
        <div className="thread-content" ref={content}>
          <h2 className="sr-only">Messages</h2>
          {earlier && (
            <button type="button" className="earlier" onClick={() => void thread.loadEarlier()}>
              Show earlier messages
            </button>
          )}
          <ol className="messages">
            {messages.map((message, index) => (
              <Fragment key={message.id}>
                {isNewDay(messages[index - 1], message) && (
                  <li className="day">
                    <span>{dayOf(message.created_at)}</span>
                  </li>
                )}
                <MessageRow
                  message={message}
                  continues={continues(messages[index - 1], message)}
                  decide={decide}
                  details={details}
                />
              </Fragment>
            ))}
            {pending.map((each) => (
              <PendingRow
                key={each.client_id}
                pending={each}
                person={person}
                onRetry={thread.retry}
                onDiscard={thread.discard}
              />
            ))}
          </ol>
          <StatusLine status={conversation.status ?? (working ? 'Writing…' : null)} />
        </div>
      </div>
      {!isAtBottom && (
        <button type="button" className="to-bottom" onClick={toBottom}>
          <Icon name="down" /> Latest
        </button>
      )}
    </div>
  );
}

const SAME_BREATH_MS = 5 * 60_000;

function continues(before: WebMessage | undefined, message: WebMessage): boolean {
  if (before === undefined || isNewDay(before, message)) return false;
  const sameAuthor =
    before.author.kind === message.author.kind &&
    before.author.name === message.author.name &&
    (before.body.kind === 'whisper') === (message.body.kind === 'whisper');
  return sameAuthor && Date.parse(message.created_at) - Date.parse(before.created_at) < SAME_BREATH_MS;
}

function isNewDay(before: WebMessage | undefined, message: WebMessage): boolean {
  return before === undefined || dayOf(before.created_at) !== dayOf(message.created_at);
}
