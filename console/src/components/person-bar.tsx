import { useState } from 'react';
import type { Person } from '../../../connectors/web/wire.ts';
import { readTheme, type Theme, writeTheme } from '../storage.ts';
import { Avatar } from './avatar.tsx';
import { Icon, type IconName } from './icon.tsx';

const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };
const ICONS: Record<Theme, IconName> = { system: 'screen', light: 'sun', dark: 'moon' };
const WORDS: Record<Theme, string> = { system: 'as the system', light: 'light', dark: 'dark' };

/** Who is signed in, how the page looks, and the way out. */
export function PersonBar({ person, onSignOut }: { person: Person; onSignOut: () => void }) {
  const [theme, setTheme] = useState(readTheme);

  function change() {
    writeTheme(NEXT[theme]);
    setTheme(NEXT[theme]);
  }

  return (
    <div className="person-bar">
      <Avatar person={person} />
      <span className="person-name" title={`Signed in as ${person.name}`}>
        {person.name}
      </span>
      <button
        type="button"
        className="quiet square"
        aria-label={`Colours: ${WORDS[theme]}. Change`}
        title={`Colours: ${WORDS[theme]}`}
        onClick={change}
      >
        <Icon name={ICONS[theme]} />
      </button>
      <button type="button" className="quiet square" aria-label="Sign out" title="Sign out" onClick={onSignOut}>
        <Icon name="signOut" />
      </button>
    </div>
  );
}
