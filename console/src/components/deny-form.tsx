import { type FormEvent, type KeyboardEvent, useEffect, useId, useRef, useState } from 'react';

/** Asks why, which Claude will read; saying nothing is allowed. Escape leaves it. */
export function DenyForm({ onDeny, onCancel }: { onDeny: (reason: string) => void; onCancel: () => void }) {
  const [reason, setReason] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();

  useEffect(() => field.current?.focus(), []);

  function submit(event: FormEvent) {
    event.preventDefault();
    onDeny(reason.trim());
  }

  function onKeyDown(event: KeyboardEvent) {
    if (event.key === 'Escape') {
      // Only the form closes; the agent is not stopped.
      event.stopPropagation();
      onCancel();
    } else if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
      submit(event);
    }
  }

  return (
    <form className="deny-form" onSubmit={submit}>
      <label htmlFor={id}>Why not? The agent reads this.</label>
      <textarea
        id={id}
        ref={field}
        rows={2}
        maxLength={2_000}
        value={reason}
        placeholder="Optional: what to do instead"
        onChange={(event) => setReason(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="approval-buttons">
        <button type="submit" className="danger">
          Deny
        </button>
        <button type="button" className="quiet" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}
