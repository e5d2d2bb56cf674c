import type { Person } from '../../../connectors/web/wire.ts';
import { Avatar } from './avatar.tsx';
import { Icon } from './icon.tsx';

interface Props {
  title: string;
  people?: Person[];
  onMenu: () => void;
}

/** Top of the main column: the way to the list on a narrow screen, what this is, and who is here. */
export function Header({ title, people = [], onMenu }: Props) {
  return (
    <header className="header">
      <button type="button" className="quiet square menu-button" aria-label="Conversations" onClick={onMenu}>
        <Icon name="menu" />
      </button>
      <h1 title={title}>{title}</h1>
      {people.length > 1 && (
        <ul className="people" aria-label="People here">
          {people.slice(0, 5).map((person) => (
            <li key={person.id} title={person.name}>
              <Avatar person={person} />
              <span className="sr-only">{person.name}</span>
            </li>
          ))}
          {people.length > 5 && <li className="people-more">+{people.length - 5}</li>}
        </ul>
      )}
    </header>
  );
}
