import { useId, useState } from 'react';
import type { ToolActivity } from '../../../connectors/web/wire.ts';
import { CopyButton } from './copy-button.tsx';
import { Icon, Spinner } from './icon.tsx';

const WORDS: Record<ToolActivity['status'], string> = {
  running: 'running',
  done: 'done',
  failed: 'failed',
  denied: 'denied',
  waiting: 'waiting for approval',
};

/** A tool call: one line, which folds out to the command and what it printed. */
export function Activity({ activity }: { activity: ToolActivity }) {
  const [isOpen, setOpen] = useState(false);
  const panel = useId();
  const { status, title, detail, output } = activity;
  return (
    <div className={`activity activity-${status}`} data-testid="activity" data-status={status}>
      <button
        type="button"
        className="activity-line"
        aria-expanded={isOpen}
        aria-controls={panel}
        onClick={() => setOpen(!isOpen)}
      >
        <StatusMark status={status} />
        <span className="activity-title">{title}</span>
        <code className="activity-detail">{firstLine(detail)}</code>
        <span className={status === 'done' ? 'sr-only' : 'activity-word'}>{WORDS[status]}</span>
        <span className="activity-fold">
          <Icon name="chevron" />
        </span>
      </button>
      {status === 'running' && !isOpen && output.trim() !== '' && <p className="activity-tail">{lastLine(output)}</p>}
      <div id={panel} hidden={!isOpen} className="activity-panel">
        {isOpen && <Terminal detail={detail} output={output} status={status} />}
      </div>
    </div>
  );
}

function Terminal({ detail, output, status }: Pick<ToolActivity, 'detail' | 'output' | 'status'>) {
  return (
    <div className="terminal">
      <div className="terminal-command">
        <pre tabIndex={0} role="group" aria-label="Command">
          {detail}
        </pre>
        <CopyButton label="Copy command" text={() => detail} />
      </div>
      {output === '' ? (
        <p className="terminal-empty">{status === 'running' ? 'No output yet.' : 'No output.'}</p>
      ) : (
        <pre className="terminal-output" tabIndex={0} role="group" aria-label="Output">
          {output}
        </pre>
      )}
    </div>
  );
}

function StatusMark({ status }: { status: ToolActivity['status'] }) {
  if (status === 'running') return <Spinner />;
  const icon = { done: 'check', failed: 'alert', denied: 'close', waiting: 'clock' } as const;
  return (
    <span className="activity-mark">
      <Icon name={icon[status]} />
    </span>
  );
}

/** What a running command printed last, so that its progress shows without folding anything out. */
function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function firstLine(text: string): string {
  const [line, ...more] = text.trim().split('\n');
  return more.length > 0 ? `${line} …` : (line ?? '');
}
