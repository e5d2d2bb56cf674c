import { Icon } from './icon.tsx';

/** One sentence about what the person just did; stays until closed or replaced. */
export function Toast({ text, onClose }: { text: string | null; onClose: () => void }) {
  return (
    <div className="toast-frame" role="status">
      {text !== null && (
        <div className="toast">
          <span>{text}</span>
          <button type="button" className="quiet square" aria-label="Dismiss" onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
      )}
    </div>
  );
}
