import { type KeyboardEvent, type ReactNode, useEffect, useId, useLayoutEffect, useRef, useState } from 'react';
import { readDraft, writeDraft } from '../storage.ts';
import { Icon } from './icon.tsx';

interface Props {
  personId: string;
  /** Whose draft this is: a conversation's id, or `new`. */
  place: string;
  /** True when the text was taken and the field may be emptied. */
  onSend: (text: string) => boolean | Promise<boolean>;
  /** Set while the agent works. */
  onStop?: (() => void) | undefined;
  /** Shown at the left under the text: whom it goes to. */
  children?: ReactNode;
  /** Put into an empty field, e.g. an example that was clicked. */
  suggestion?: { text: string } | null;
}

/** Longest text the server takes. */
const MOST = 40_000;

/** Where a person writes. Enter sends, Shift+Enter makes a line; what is typed survives a reload. */
export function Composer({ personId, place, onSend, onStop, children, suggestion = null }: Props) {
  const [text, setText] = useState(() => readDraft(personId, place));
  const [isSending, setSending] = useState(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const hint = useId();
  const canSend = text.trim() !== '' && text.length <= MOST && !isSending;

  useEffect(() => writeDraft(personId, place, text), [personId, place, text]);
  // Before anybody sees it: later it would take the focus from what somebody has begun.
  useLayoutEffect(() => {
    // On a touch screen focus would open the keyboard over the conversation.
    if (matchMedia('(pointer: fine)').matches) field.current?.focus();
  }, []);
  useEffect(() => {
    if (suggestion === null) return;
    setText(suggestion.text);
    field.current?.focus();
  }, [suggestion]);
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = 'auto';
    element.style.height = `${element.scrollHeight}px`;
  }, [text]);

  async function send() {
    if (!canSend) return;
    setSending(true);
    const taken = await onSend(text.trim());
    setSending(false);
    // What was typed in the meantime stays.
    if (taken) setText((now) => (now === text ? '' : now));
    field.current?.focus();
  }

  function onKeyDown(event: KeyboardEvent) {
    // Enter also ends a word of an input method, and then belongs to it.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    void send();
  }

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <textarea
        ref={field}
        rows={1}
        value={text}
        aria-label="Message"
        aria-describedby={hint}
        placeholder="Write a message"
        onChange={(event) => setText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div className="composer-row">
        <div className="composer-to">{children}</div>
        <span id={hint} className="composer-hint">
          {text.length > MOST ? `${text.length - MOST} characters too long` : 'Shift + Enter for a new line'}
        </span>
        {onStop && (
          <button type="button" className="stop" onClick={onStop} aria-keyshortcuts="Escape">
            <Icon name="stop" /> Stop
          </button>
        )}
        <button type="submit" className="send" disabled={!canSend} aria-label="Send">
          <Icon name="arrow" />
        </button>
      </div>
    </form>
  );
}
