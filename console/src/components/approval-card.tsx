import { useEffect, useId, useRef, useState } from 'react';
import type { ApprovalCard as Card, Person, ReceiptBody } from '../../../connectors/web/wire.ts';
import type { Choice } from '../api.ts';
import { clockOf, fullOf } from '../time.ts';
import { DenyForm } from './deny-form.tsx';
import { Icon, Spinner } from './icon.tsx';
import { InlineMarkdown } from './markdown.tsx';

type Details = (approvalId: string) => Promise<string>;
type Decide = (approvalId: string, choice: Choice, reason: string) => Promise<ReceiptBody>;

/** The record keeps 3,000 characters of a call and says how many it leaves out: what is near that may not be whole. */
const SURELY_WHOLE = 2_900;

/** What an agent asks leave for, and what became of it. Always the true state; anybody may look, the server decides who may decide. */
export function ApprovalCard({ card, decide, details }: { card: Card; decide: Decide; details: Details }) {
  const heading = useId();
  const { status } = card.state;
  const isWhole = card.private_detail !== true && card.detail !== '' && card.detail.length <= SURELY_WHOLE;
  const [isRead, setRead] = useState(false);
  return (
    <div
      role="group"
      className={`approval approval-${status}`}
      aria-labelledby={heading}
      data-testid="approval"
      data-status={status}
    >
      <p className="approval-eyebrow">
        <Icon name={status === 'pending' ? 'lock' : status === 'allowed' ? 'check' : 'close'} />
        {EYEBROWS[status]}
      </p>
      <h3 id={heading}>{card.summary}</h3>
      {card.why !== undefined && (
        <p className="approval-why markdown">
          <InlineMarkdown text={card.why} />
        </p>
      )}
      {isWhole ? (
        <Detail text={card.detail} />
      ) : (
        <DetailOnDemand
          beginning={card.detail}
          look={async () => {
            const whole = await details(card.approval_id);
            setRead(true);
            return whole;
          }}
        />
      )}
      <dl className="approval-facts">
        <Fact name="Tool" value={card.tool_name} />
        {card.requested_by && <Fact name="Asked by" value={namesOf([card.requested_by, ...(card.also_asked ?? [])])} />}
        {status === 'pending' && <Fact name="May decide" value={card.approvers} />}
        {card.state.status === 'pending' && card.quorum !== undefined && (
          <Fact name="Approved so far" value={approvedSoFar(card.quorum, card.state.approved_by ?? [])} />
        )}
        {status === 'pending' && card.elsewhere && <AskedElsewhere {...card.elsewhere} />}
        {card.state.status === 'pending' && nextAsked(card, card.state.escalated ?? 0)}
        {status === 'pending' && card.expires_at !== null && (
          <Fact name="Denied by itself" value={clockOf(card.expires_at)} title={fullOf(card.expires_at)} />
        )}
      </dl>
      {card.state.status === 'pending' ? (
        <Decision card={card} reminded={card.state.reminded} mayApprove={isWhole || isRead} decide={decide} />
      ) : (
        <Decided state={card.state} />
      )}
    </div>
  );
}

function Detail({ text }: { text: string }) {
  return (
    <pre className="approval-detail" tabIndex={0} role="group" aria-label="Exactly what will be done">
      {text}
    </pre>
  );
}

/** Too long for the card, or kept out of the conversation: the server shows it to those who may see it. */
function DetailOnDemand({ beginning, look }: { beginning: string; look: () => Promise<string> }) {
  const [shown, setShown] = useState<{ text: string } | { failure: string } | null>(null);

  async function show() {
    try {
      setShown({ text: await look() });
    } catch (error) {
      setShown({ failure: error instanceof Error ? error.message : String(error) });
    }
  }

  if (shown !== null && 'text' in shown) return <Detail text={shown.text} />;
  return (
    <>
      {beginning !== '' && <Detail text={beginning} />}
      <div className="approval-buttons">
        <button type="button" className="quiet" onClick={() => void show()}>
          {beginning === '' ? 'Show what exactly' : 'Show all of it'}
        </button>
        <span className="approval-failure" role="alert">
          {shown?.failure}
        </span>
      </div>
    </>
  );
}

const EYEBROWS: Record<Card['state']['status'], string> = {
  pending: 'Approval needed',
  allowed: 'Approved',
  denied: 'Denied',
  expired: 'Expired',
  withdrawn: 'Withdrawn',
};

function Fact({ name, value, title }: { name: string; value: string; title?: string }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** Who may decide and has the question elsewhere, or could not be sent it. */
function AskedElsewhere({ asked, not_asked, left_out }: NonNullable<Card['elsewhere']>) {
  const more = left_out === 0 ? '' : ` (and ${left_out} more of them not)`;
  return (
    <>
      {asked.length > 0 && <Fact name="Asked directly" value={`${asked.join(', ')}${more}`} />}
      {not_asked.map(({ name, why }) => (
        <Fact key={name} name="Could not ask" value={`${name}: ${why}`} />
      ))}
    </>
  );
}

/** Who is asked besides when nobody decides. */
function nextAsked({ escalations = [] }: Card, escalated: number) {
  const next = escalations[escalated];
  if (next === undefined) return null;
  return <Fact name="Then asks" value={`${next.to}, ${clockOf(next.at)}`} title={fullOf(next.at)} />;
}

/** `1 of 2: Ana`. */
function approvedSoFar(quorum: number, people: readonly Person[]): string {
  const count = `${people.length} of ${quorum}`;
  return people.length === 0 ? count : `${count}: ${namesOf(people)}`;
}

function namesOf(people: readonly Person[]): string {
  return people.map(({ name }) => name).join(', ');
}

interface DecisionProps {
  card: Card;
  reminded: number;
  /** All of the call was shown: nobody approves what they have not had before their eyes. */
  mayApprove: boolean;
  decide: Decide;
}

function Decision({ card, reminded, mayApprove, decide }: DecisionProps) {
  const [step, setStep] = useState<'choosing' | 'denying' | Choice>('choosing');
  const [failure, setFailure] = useState<string | null>(null);
  const deny = useRef<HTMLButtonElement>(null);
  const wasDenying = useRef(false);
  const isSending = step !== 'choosing' && step !== 'denying';

  // Leaving the form without a decision returns to the button that opened it.
  useEffect(() => {
    if (step === 'choosing' && wasDenying.current) deny.current?.focus();
    wasDenying.current = step === 'denying';
  }, [step]);

  // Theirs counts, and others still have to approve: the same card goes on.
  const votes = card.state.status === 'pending' ? (card.state.approved_by ?? []).length : 0;
  useEffect(() => {
    if (votes > 0) setStep('choosing');
  }, [votes]);

  async function send(choice: Choice, reason: string) {
    setStep(choice);
    setFailure(null);
    try {
      const receipt = await decide(card.approval_id, choice, reason);
      // Accepted: the card changes when the server says so. Otherwise somebody may still decide.
      if (receipt.effect !== 'accepted') setStep('choosing');
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
      setStep('choosing');
    }
  }

  return (
    <div className="approval-decision">
      {step === 'denying' ? (
        <DenyForm onDeny={(reason) => void send('deny', reason)} onCancel={() => setStep('choosing')} />
      ) : (
        <div className="approval-buttons">
          <button
            type="button"
            className="primary"
            disabled={isSending || !mayApprove}
            title={mayApprove ? undefined : 'Read all of it first.'}
            onClick={() => void send('allow', '')}
          >
            {step === 'allow' ? <Spinner /> : <Icon name="check" />}
            {step === 'allow' ? 'Approving…' : 'Approve'}
          </button>
          {card.for_session !== undefined && (
            <button
              type="button"
              disabled={isSending || !mayApprove}
              onClick={() => void send('allow_for_session', '')}
            >
              {step === 'allow_for_session' && <Spinner />}
              Approve for this session
            </button>
          )}
          <button type="button" ref={deny} disabled={isSending} onClick={() => setStep('denying')}>
            {step === 'deny' ? <Spinner /> : <Icon name="close" />}
            {step === 'deny' ? 'Denying…' : 'Deny…'}
          </button>
          {reminded > 0 && (
            <span className="approval-note">Reminded {reminded === 1 ? 'once' : `${reminded} times`}</span>
          )}
        </div>
      )}
      {step !== 'denying' && card.for_session !== undefined && (
        <p className="approval-note">{FOR_SESSION[card.for_session]}</p>
      )}
      <p className="approval-failure" role="alert">
        {failure}
      </p>
    </div>
  );
}

/** What the button covers, before it is pressed. */
const FOR_SESSION: Record<NonNullable<Card['for_session']>, string> = {
  tool: '“Approve for this session” covers not only this call: all further calls of this tool, whatever their arguments, run without asking for the rest of this session.',
  arguments:
    '“Approve for this session” covers not only this call: whenever the very same call comes again in this session, it runs without asking.',
};

function Decided({ state }: { state: Card['state'] }) {
  if (state.status === 'pending') return null;
  if (!('by' in state)) {
    const said = state.status === 'expired' ? 'Nobody decided in time, so it was not done' : 'No longer needed';
    return (
      <p className="approval-decided">
        {said} · <time dateTime={state.at}>{clockOf(state.at)}</time>
      </p>
    );
  }
  return (
    <div className="approval-decided">
      <p>
        {state.status === 'allowed' ? 'Approved' : 'Denied'} by{' '}
        <strong>{(state.approved_by ?? [state.by]).map(({ name }) => name).join(', ')}</strong>
        {state.for_session !== undefined && ' for this session'} ·{' '}
        <time dateTime={state.at} title={fullOf(state.at)}>
          {clockOf(state.at)}
        </time>{' '}
        · {state.via}
      </p>
      {state.reason !== null && <blockquote>{state.reason}</blockquote>}
    </div>
  );
}
