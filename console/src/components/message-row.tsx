import { memo } from 'react';
import type { MessageBody, ReceiptBody, WebMessage } from '../../../connectors/web/wire.ts';
import type { Choice } from '../api.ts';
import { clockOf, fullOf } from '../time.ts';
import { Activity } from './activity.tsx';
import { ApprovalCard } from './approval-card.tsx';
import { Avatar } from './avatar.tsx';
import { FileCard } from './file-card.tsx';
import { Icon } from './icon.tsx';
import { Markdown } from './markdown.tsx';

interface Props {
  message: WebMessage;
  /** Goes on what the row above says: no name, no picture. */
  continues: boolean;
  decide: (approvalId: string, choice: Choice, reason: string) => Promise<ReceiptBody>;
  /** All of what a call would do, where the card keeps it private. */
  details: (approvalId: string) => Promise<string>;
}

/** One entry of the thread. */
export const MessageRow = memo(function MessageRow({ message, continues, decide, details }: Props) {
  const { author, body, created_at, refusal } = message;
  return (
    <li
      className={`message message-${author.kind} body-${body.kind}${continues ? ' continues' : ''}`}
      data-testid="message"
      data-author={author.name}
      data-kind={body.kind}
      data-live={body.kind === 'text' && body.live}
    >
      {!continues && <Avatar person={author.kind === 'person' ? author : null} />}
      <div className="message-main">
        <p className={continues ? 'sr-only' : 'message-head'}>
          <strong>{author.name}</strong>{' '}
          <time dateTime={created_at} title={fullOf(created_at)}>
            {clockOf(created_at)}
          </time>
        </p>
        <Body body={body} decide={decide} details={details} />
        {refusal !== null && (
          <p className="refusal">
            <Icon name="alert" /> {refusal}
          </p>
        )}
      </div>
    </li>
  );
});

function Body({ body, decide, details }: Pick<Props, 'decide' | 'details'> & { body: MessageBody }) {
  switch (body.kind) {
    case 'text':
      return (
        <div className={body.live ? 'text live' : 'text'}>
          <Markdown text={body.markdown} />
        </div>
      );
    case 'notice':
      return (
        <div className={`notice notice-${body.level}`}>
          {body.level === 'error' && <Icon name="alert" />}
          <Markdown text={body.markdown} />
        </div>
      );
    case 'whisper':
      return (
        <div className="whisper">
          <p className="whisper-head">Only you can see this</p>
          <Markdown text={body.markdown} />
        </div>
      );
    case 'file':
      return <FileCard file={body.file} path={body.path} />;
    case 'activity':
      return <Activity activity={body.activity} />;
    case 'approval':
      return <ApprovalCard card={body.card} decide={decide} details={details} />;
    default:
      return body satisfies never;
  }
}
